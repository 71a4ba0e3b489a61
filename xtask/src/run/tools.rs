//! The words and variables that make a test tool write its report to one file and try each case once. Knows the tools' options,
//! no verdict.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::attempt::Place;
use super::os::lock;
use crate::junit::Case;
use crate::model::{Part, Tool};
use crate::process::{probe, spawn::Spec};

/// An interpreter that takes longer to look for a plugin is not asked again.
const ASKING: Duration = Duration::from_secs(30);

/// Which of the plugins that repeat failed tests pytest would load.
const PLUGINS: &str = "import importlib.util as u\nprint(*[m for m in ('pytest_rerunfailures', 'flaky') if u.find_spec(m)])";

/// Words for `{tool.args}` and variables of the step.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Preset {
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
}

/// The file beside a report in which vitest tells of attempts that its JUnit hides.
pub(super) fn side_file(junit: &Path) -> PathBuf {
    junit.with_extension("json")
}

/// What a tool needs to write `junit` and to try each case once. `plugins` are those of pytest.
pub(super) fn preset(tool: Tool, junit: &Path, plugins: &[String]) -> Preset {
    let file = junit.display();
    let words = |words: &[String]| words.to_vec();
    let variable = |name: &str, value: String| (name.to_owned(), value);
    match tool {
        Tool::Pytest => {
            let mut args = words(&["-o".to_owned(), "junit_family=xunit1".to_owned(), format!("--junitxml={file}")]);
            for plugin in plugins {
                args.extend(match plugin.as_str() {
                    // `--reruns 0` loses to a marker; this one wins against markers and ini files.
                    "pytest_rerunfailures" => ["--force-reruns".to_owned(), "0".to_owned()],
                    other => ["-p".to_owned(), format!("no:{other}")],
                });
            }
            Preset { args, env: Vec::new() }
        }
        Tool::Vitest => Preset {
            args: words(&[
                "--retry=0".to_owned(),
                "--reporter=default".to_owned(),
                "--reporter=junit".to_owned(),
                format!("--outputFile.junit={file}"),
                "--reporter=json".to_owned(),
                format!("--outputFile.json={}", side_file(junit).display()),
            ]),
            env: Vec::new(),
        },
        Tool::Playwright => Preset {
            args: words(&["--retries=0".to_owned(), "--reporter=line,junit".to_owned()]),
            env: vec![
                variable("PLAYWRIGHT_JUNIT_OUTPUT_FILE", file.to_string()),
                variable("PLAYWRIGHT_JUNIT_OUTPUT_NAME", file.to_string()),
                // A file may still ask for retries of its own: then they are shown.
                variable("PLAYWRIGHT_JUNIT_INCLUDE_RETRIES", "1".to_owned()),
            ],
        },
        Tool::CargoNextest => Preset {
            args: words(&["--retries=0".to_owned(), "--no-fail-fast".to_owned(), format!("--tool-config-file=xtask:{}", nextest_config(junit).display())]),
            env: Vec::new(),
        },
    }
}

/// Plugin of pytest that keeps one part of the tests.
const SPLITTER: &[u8] = include_bytes!("../gates_splitter.py");

/// What makes a tool run one part of its cases. The parts of one code are the same everywhere, and together they are all of it.
pub(super) fn split(tool: Tool, part: Part, folder: &Path, env: &BTreeMap<String, String>) -> Result<Preset, String> {
    let args = |words: &[String]| Preset { args: words.to_vec(), env: Vec::new() };
    Ok(match tool {
        Tool::Vitest | Tool::Playwright => args(&[format!("--shard={part}")]),
        Tool::CargoNextest => args(&["--partition".to_owned(), format!("hash:{part}")]),
        Tool::Pytest => {
            let file = folder.join("gates_splitter.py");
            crate::rundir::write_atomic(&file, SPLITTER).map_err(|cause| format!("failed to write {}: {cause}", file.display()))?;
            let path = env.get("PYTHONPATH").filter(|path| !path.is_empty()).map(|path| format!(":{path}")).unwrap_or_default();
            let variables = [("PYTHONPATH", format!("{}{path}", folder.display())), ("GATES_PART", part.to_string())];
            let env = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Preset { args: vec!["-p".to_owned(), "gates_splitter".to_owned()], env }
        }
    })
}

fn nextest_config(junit: &Path) -> PathBuf {
    junit.with_extension("nextest.toml")
}

/// Makes the file that a tool reads its settings from. nextest has no option for the place of its report.
pub(super) fn prepare(tool: Tool, junit: &Path) -> Result<(), String> {
    if tool != Tool::CargoNextest {
        return Ok(());
    }
    // A JSON string is a basic string of TOML.
    let path = serde_json::Value::from(junit.display().to_string());
    let text = format!("[profile.default.junit]\npath = {path}\n");
    let file = nextest_config(junit);
    crate::rundir::write_atomic(&file, text.as_bytes()).map_err(|cause| format!("failed to write {}: {cause}", file.display()))
}

/// Plugins of the pytest that a step would start: its interpreter is asked once a run.
pub(super) fn plugins(place: &Place<'_>, program: &Path, env: &BTreeMap<String, String>, cwd: &Path) -> Result<Vec<String>, String> {
    let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = program.with_file_name("python");
    let path = env.get("PATH").cloned().unwrap_or_default();
    let python = if name.starts_with("python") {
        program.to_owned()
    } else if name.starts_with("py") && beside.is_file() {
        beside
    } else {
        place.site.program("python", &path, cwd).or_else(|_| place.site.program("python3", &path, cwd))?
    };
    let mut known = lock(&place.site.plugins);
    if let Some(found) = known.get(&python) {
        return found.clone();
    }
    let spec = Spec { exe: python.clone(), args: vec!["-c".to_owned(), PLUGINS.to_owned()], env: env.clone(), cwd: cwd.to_owned(), user: None };
    let found = probe::output(&spec, ASKING).map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    known.insert(python, found.clone());
    found
}

/// vitest's own report, as far as attempts are concerned.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VitestReport {
    test_results: Vec<VitestFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VitestFile {
    name: String,
    assertion_results: Vec<VitestCase>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VitestCase {
    ancestor_titles: Vec<String>,
    title: String,
    status: String,
    #[serde(default)]
    failure_messages: Option<Vec<String>>,
}

/// Attempts that failed before a vitest case passed, with their messages. A `retry` in a test file wins against `--retry=0`, and
/// only this report shows it: a case that passed and has messages of failures.
#[derive(Debug, Default)]
pub(super) struct VitestAttempts {
    by_name: BTreeMap<String, Vec<(String, Vec<String>)>>,
}

impl VitestAttempts {
    /// Reads the file beside a report.
    pub(super) fn read(junit: &Path) -> Result<Self, String> {
        let file = side_file(junit);
        let text = std::fs::read(&file).map_err(|cause| format!("failed to read {}: {cause}", file.display()))?;
        let report: VitestReport = serde_json::from_slice(&text).map_err(|cause| format!("{} is not vitest's report: {cause}", file.display()))?;
        let mut attempts = Self::default();
        for file in report.test_results {
            for case in file.assertion_results {
                let messages = case.failure_messages.unwrap_or_default();
                if case.status == "passed" && !messages.is_empty() {
                    let name = case.ancestor_titles.iter().chain([&case.title]).map(String::as_str).collect::<Vec<_>>().join(" > ");
                    attempts.by_name.entry(name).or_default().push((file.name.replace('\\', "/"), messages));
                }
            }
        }
        Ok(attempts)
    }

    /// Messages of the failed attempts of a case.
    pub(super) fn of(&self, case: &Case) -> &[String] {
        let files = self.by_name.get(case.name.trim()).map(Vec::as_slice).unwrap_or_default();
        let own = files.iter().find(|(file, _)| *file == case.classname || file.ends_with(&format!("/{}", case.classname)));
        own.map(|(_, messages)| messages.as_slice()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_writes_to_the_promised_file_and_tries_once() {
        let junit = Path::new("/s/1.xml");
        let shown = |tool, plugins: &[&str]| preset(tool, junit, &plugins.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).args.join(" ");
        assert_eq!(shown(Tool::Pytest, &[]), "-o junit_family=xunit1 --junitxml=/s/1.xml");
        assert_eq!(shown(Tool::Pytest, &["pytest_rerunfailures", "flaky"]), "-o junit_family=xunit1 --junitxml=/s/1.xml --force-reruns 0 -p no:flaky");
        assert!(shown(Tool::Vitest, &[]).contains("--retry=0 --reporter=default --reporter=junit --outputFile.junit=/s/1.xml"));
        assert_eq!(shown(Tool::Playwright, &[]), "--retries=0 --reporter=line,junit");
        assert_eq!(preset(Tool::Playwright, junit, &[]).env[0], ("PLAYWRIGHT_JUNIT_OUTPUT_FILE".to_owned(), "/s/1.xml".to_owned()));
        assert_eq!(shown(Tool::CargoNextest, &[]), "--retries=0 --no-fail-fast --tool-config-file=xtask:/s/1.nextest.toml");
    }

    #[test]
    fn attempts_that_vitest_hides_are_found_by_file_and_name() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let junit = folder.path().join("1.xml");
        let text = r#"{"testResults": [{"name": "/repo/src/a.test.ts", "assertionResults": [
            {"ancestorTitles": ["d"], "title": "t", "status": "passed", "failureMessages": ["first", "second"]},
            {"ancestorTitles": ["d"], "title": "u", "status": "passed", "failureMessages": []},
            {"ancestorTitles": [], "title": "v", "status": "failed", "failureMessages": ["x"]}]}]}"#;
        crate::rundir::write_atomic(&side_file(&junit), text.as_bytes()).expect("written");
        let attempts = VitestAttempts::read(&junit).expect("read");
        let report = "<testsuites name='vitest tests'><testsuite name='src/a.test.ts'><testcase classname='src/a.test.ts' name='d > t'/>\
                      <testcase classname='src/b.test.ts' name='d > t'/><testcase classname='src/a.test.ts' name='d > u'/></testsuite></testsuites>";
        let (_, cases) = crate::junit::read::read_all(report.as_bytes()).expect("in memory");
        let found: Vec<usize> = cases.iter().map(|case| attempts.of(case).len()).collect();
        assert_eq!(found, [2, 0, 0]);
        assert!(VitestAttempts::read(&folder.path().join("2.xml")).is_err(), "no file, no claim");
    }
}
