//! The workflow of GitHub Actions that runs a phase: one plan, many machines, one verdict. A function of gates.toml and of a few words; nothing
//! here runs anything.

use std::fmt::Write as _;

use crate::config::Config;
use crate::config::schema::RuntimeKind;
use crate::text::shell_word;

/// Where it stands.
pub const FILE: &str = ".github/workflows/gates.yml";
/// What its second line begins with: the command that made it.
pub const MADE_BY: &str = "#   xtask ci generate github ";

/// Actions, each by the commit of a release.
const CHECKOUT: &str = "actions/checkout@8e8c483db84b4bee98b60c0593521ed34d9990e8 # v6.0.1";
const SETUP_PYTHON: &str = "actions/setup-python@a309ff8b426b58ec0e2a45f0f869d46889d02405 # v6.2.0";
const SETUP_NODE: &str = "actions/setup-node@6044e13b5dc448c55e2357c09f80417699197238 # v6.2.0";
const UPLOAD: &str = "actions/upload-artifact@b7c566a772e6b6bfb58ed0dc250532a479d7789f # v6.0.0";
const ATTEST: &str = "actions/attest@1e69f48acb82d1966a394da916b4c1698aa569d6 # v4.2.2";
const DOWNLOAD: &str = "actions/download-artifact@37930b1c2abaa49bbe596cd826c3c89aef350131 # v7.0.0";

/// Runs, each once: the link to the newest would be followed.
const RUNS: &str = "|\n            .gates/runs\n            !.gates/runs/latest";

/// What a workflow is made of beside gates.toml.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The phase.
    pub phase: &'a str,
    /// `auto` or a number.
    pub shards: String,
    /// Label of the machines.
    pub runner: &'a str,
    /// The branch that pull requests go into.
    pub branch: &'a str,
    /// Profile of the runs.
    pub profile: Option<&'a str>,
    /// A job of its own attests what the verdict stands on.
    pub attests: bool,
    /// How a job gets the program.
    pub install: Option<&'a str>,
    /// The program is built from ./xtask.
    pub builds: bool,
}

impl Wanted<'_> {
    /// The words behind `xtask ci generate github`.
    fn words(&self) -> String {
        let mut words = vec![self.phase.to_owned(), "--shards".to_owned(), self.shards.clone(), "--runner".to_owned(), self.runner.to_owned()];
        words.extend(["--branch".to_owned(), self.branch.to_owned()]);
        words.extend(self.profile.iter().flat_map(|name| ["--profile".to_owned(), (*name).to_owned()]));
        words.extend(self.attests.then(|| "--attest".to_owned()));
        words.extend(self.install.iter().flat_map(|command| ["--install".to_owned(), (*command).to_owned()]));
        words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }
}

/// The workflow's text.
pub fn workflow(config: &Config, wanted: &Wanted<'_>) -> String {
    let mut out = Text(String::new());
    let Wanted { runner, branch, .. } = wanted;
    out.lines(&[
        "# Made from gates.toml, which it has to agree with; `xtask ci check` compares. Made by",
        &format!("{MADE_BY}{}", wanted.words()),
        "name: gates",
        "on:",
        "  pull_request:",
        "  merge_group:",
        "  push:",
        &format!("    branches: [{}]", quoted(branch)),
        "  workflow_dispatch:",
        "permissions: {}",
        "concurrency:",
        "  group: gates-${{ github.event_name }}-${{ github.event.pull_request.number || github.sha }}",
        "  cancel-in-progress: ${{ github.event_name == 'pull_request' }}",
        "jobs:",
    ]);
    plan_job(&mut out, wanted, runner);
    shard_job(&mut out, config, wanted, runner);
    verdict_job(&mut out, wanted, runner);
    if wanted.attests {
        attest_job(&mut out, wanted, runner);
    }
    out.0
}

struct Text(String);

impl Text {
    fn lines(&mut self, lines: &[&str]) {
        for line in lines {
            writeln!(self.0, "{line}").ok(); // a string takes everything
        }
    }

    fn checkout(&mut self) {
        self.lines(&["    steps:", &format!("      - uses: {CHECKOUT}"), "        with:", "          persist-credentials: false"]);
    }

    /// What the plan job left: the plan, the program where it was built, the history.
    fn plan(&mut self, wanted: &Wanted<'_>) {
        self.lines(&[&format!("      - uses: {DOWNLOAD}"), "        with:", "          name: plan", "          path: ${{ runner.temp }}/gates"]);
        if wanted.builds {
            self.lines(&["      - run: chmod +x \"$RUNNER_TEMP/gates/xtask\" && echo \"$RUNNER_TEMP/gates\" >> \"$GITHUB_PATH\""]);
        }
        if let Some(install) = wanted.install {
            self.lines(&[&format!("      - run: {}", quoted(install))]);
        }
    }

    /// Hidden files too: everything of a run lies below `.gates/`.
    fn upload(&mut self, name: &str, path: &str, always: bool) {
        self.lines(&[&format!("      - uses: {UPLOAD}")]);
        if always {
            self.lines(&["        if: always()"]);
        }
        self.lines(&[
            "        with:",
            &format!("          name: {name}"),
            &format!("          path: {path}"),
            "          include-hidden-files: true",
            "          if-no-files-found: error",
            "          overwrite: true",
        ]);
    }
}

/// A plain or a quoted scalar of YAML.
fn quoted(text: &str) -> String {
    const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "null", "~"];
    let taken = text.parse::<f64>().is_ok() || WORDS.contains(&text.to_ascii_lowercase().as_str());
    let plain =
        !taken && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.') && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

fn plan_job(out: &mut Text, wanted: &Wanted<'_>, runner: &str) {
    out.lines(&[
        "  plan:",
        &format!("    runs-on: {}", quoted(runner)),
        "    timeout-minutes: 20",
        "    permissions:",
        "      contents: read",
        "      actions: read # the newest history of the base branch",
        "    outputs:",
        "      matrix: ${{ steps.plan.outputs.matrix }}",
        "      digest: ${{ steps.plan.outputs.digest }}",
    ]);
    out.checkout();
    out.lines(&["      - run: mkdir -p \"$RUNNER_TEMP/gates\""]);
    if wanted.builds {
        let build = [
            "cargo build --locked --profile tool --target-dir target/xtask --package xtask",
            "cp target/xtask/tool/xtask \"$RUNNER_TEMP/gates/\"",
            "echo \"$RUNNER_TEMP/gates\" >> \"$GITHUB_PATH\"",
        ];
        out.lines(&["      - run: |"]);
        for line in build {
            out.lines(&[&format!("          {line}")]);
        }
    }
    if let Some(install) = wanted.install {
        out.lines(&[&format!("      - run: {}", quoted(install))]);
    }
    let (phase, shards) = (shell_word(wanted.phase), shell_word(&wanted.shards));
    let profile = wanted.profile.map(|name| format!(" --profile {}", shell_word(name))).unwrap_or_default();
    out.lines(&[
        "      - name: History of the base branch",
        "        env:",
        "          GH_TOKEN: ${{ github.token }}",
        "          GH_REPO: ${{ github.repository }}",
        &format!("          BRANCH: {}", quoted(wanted.branch)),
        "        run: |",
        "          for run in $(gh run list --workflow gates.yml --event push --branch \"$BRANCH\" --status completed --limit 10 --json databaseId --jq '.[].databaseId'); do",
        "            if gh run download \"$run\" --name history --dir \"$RUNNER_TEMP/gates\"; then break; fi",
        "          done",
        "          # The history is no evidence: one that cannot be read costs times and quarantine, never a verdict.",
        "          if [ -f \"$RUNNER_TEMP/gates/history.json\" ]; then xtask history import \"$RUNNER_TEMP/gates/history.json\" || rm \"$RUNNER_TEMP/gates/history.json\"; else echo 'no history yet'; fi",
        "      - id: plan",
        &format!("        run: xtask plan {phase}{profile} --shards {shards} --format github-matrix --out \"$RUNNER_TEMP/gates/plan.json\""),
    ]);
    out.upload("plan", "${{ runner.temp }}/gates", false);
}

fn shard_job(out: &mut Text, config: &Config, wanted: &Wanted<'_>, runner: &str) {
    out.lines(&[
        "  shard:",
        "    name: shard ${{ matrix.shard }}",
        "    needs: plan",
        &format!("    runs-on: {}", quoted(runner)),
        "    timeout-minutes: 90",
        "    permissions:",
        "      contents: read",
        "    strategy:",
        "      fail-fast: false",
        "      matrix: ${{ fromJSON(needs.plan.outputs.matrix) }}",
    ]);
    out.checkout();
    let mut seen: Vec<String> = Vec::new();
    for runtime in config.runtimes.values() {
        let pin = runtime.pin.clone();
        let lines = match runtime.kind {
            RuntimeKind::Python => {
                [format!("      - uses: {SETUP_PYTHON}"), "        with:".to_owned(), format!("          python-version-file: {}", quoted(&pin))].to_vec()
            }
            RuntimeKind::Node => {
                [format!("      - uses: {SETUP_NODE}"), "        with:".to_owned(), format!("          node-version-file: {}", quoted(&pin))].to_vec()
            }
            RuntimeKind::Rust => vec!["      - run: rustup show active-toolchain || rustup toolchain install".to_owned()],
        };
        let text = lines.join("\n");
        if !seen.contains(&text) {
            out.lines(&[&text]);
            seen.push(text);
        }
    }
    out.plan(wanted);
    out.lines(&["      - env:", "          SHARD: ${{ matrix.shard }}", "        run: xtask gate --shard \"$SHARD\" --plan \"$RUNNER_TEMP/gates/plan.json\""]);
    // The plan's digest keeps shards of another plan of the same run of the workflow apart.
    out.upload("shard-${{ needs.plan.outputs.digest }}-${{ matrix.shard }}-${{ github.run_attempt }}", RUNS, true);
}

fn verdict_job(out: &mut Text, wanted: &Wanted<'_>, runner: &str) {
    out.lines(&[
        "  # The only check to require: it compares what came with the plan, and runs whatever became of the others.",
        "  verdict:",
        "    needs: [plan, shard]",
        "    if: always()",
        &format!("    runs-on: {}", quoted(runner)),
        "    timeout-minutes: 20",
        "    permissions:",
        "      contents: read",
    ]);
    out.checkout();
    out.plan(wanted);
    out.lines(&[
        &format!("      - uses: {DOWNLOAD}"),
        "        with:",
        "          pattern: shard-${{ needs.plan.outputs.digest }}-*",
        "          path: ${{ runner.temp }}/shards",
        "      - run: |",
        "          mkdir -p \"$RUNNER_TEMP/shards\"",
        "          if [ -f \"$RUNNER_TEMP/gates/history.json\" ]; then xtask history import \"$RUNNER_TEMP/gates/history.json\"; fi",
        "          xtask merge --plan \"$RUNNER_TEMP/gates/plan.json\" \"$RUNNER_TEMP/shards\"",
        "      - if: always()",
        "        run: mkdir -p \"$RUNNER_TEMP/history\" && xtask history export > \"$RUNNER_TEMP/history/history.json\"",
    ]);
    out.upload("history", "${{ runner.temp }}/history", true);
    out.upload("verdict-${{ github.run_attempt }}", RUNS, true);
}

/// Whoever holds the token of a job could attest anything: this one runs nothing of the project, and no other job has the right.
fn attest_job(out: &mut Text, wanted: &Wanted<'_>, runner: &str) {
    let branch = wanted.branch.replace('\'', "''");
    out.lines(&[
        "  # Vouches for the evidence with the identity of this workflow; runs nothing of the project.",
        "  attest:",
        "    needs: verdict",
        &format!("    if: github.event_name == 'push' && github.ref == 'refs/heads/{branch}'"),
        &format!("    runs-on: {}", quoted(runner)),
        "    timeout-minutes: 10",
        "    permissions:",
        "      id-token: write # the identity that signs",
        "      attestations: write # where the attestation is kept",
        "    steps:",
        &format!("      - uses: {DOWNLOAD}"),
        "        with:",
        "          name: verdict-${{ github.run_attempt }}",
        "          path: evidence",
        "      - shell: bash",
        "        run: |",
        "          cp evidence/*/manifest.json manifest.json # fails unless there is exactly one",
        "          sum=$(sha256sum evidence/*/gates.toml | cut -d ' ' -f 1)",
        "          jq --arg sum \"$sum\" '{result: (if .exit == 0 then \"PASSED\" else \"FAILED\" end), configuration: [{name: \"gates.toml\", digest: {sha256: $sum}}],",
        "            passedTests: [.gates[] | select(.verdict == \"pass\") | .id], warnedTests: [],",
        "            failedTests: [.gates[] | select(.verdict != \"pass\") | .id]}' evidence/*/report.json > predicate.json",
        &format!("      - uses: {ATTEST}"),
        "        with:",
        "          subject-path: manifest.json",
        "          predicate-type: https://in-toto.io/attestation/test-result/v0.1",
        "          predicate-path: predicate.json",
    ]);
}

/// The words with which a workflow was made, from its own second line.
pub fn made_by(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix(MADE_BY))
}
