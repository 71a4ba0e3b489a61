#!/usr/bin/env python3
"""Our speed beside that of the peers and beside what the machine can do, interleaved in one run: medians, ratios, peak memory.

bench/install target/peers; bench/bench.py --peers target/peers [--small] [--only CASE ...] [--write] [--check]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from peers import Peer, Task, Xtask, found

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TRUE = "/bin/true"
#: How much worse a ratio may get before `--check` fails, and how often it is measured again before that.
WORSE, TRIES = 1.3, 3
#: Seconds that one command may take.
LIMIT = 120
#: Everything that is measured happens below it; it goes when this program ends.
PLACE = tempfile.TemporaryDirectory()


@dataclass
class Sample:
    """One execution: seconds on the wall, seconds of all processors, peak MiB of the largest process."""

    wall: float
    cpu: float
    peak: float


@dataclass
class Side:
    """One of the tools in a case: `make` prepares a folder of a round, `argv` is measured in it."""

    name: str
    argv: list[str]
    make: Callable[[Path], None] = lambda folder: None
    environment: dict[str, str] | None = None
    output: str | None = None


def measure(argv: list[str], folder: Path, environment: dict[str, str] | None = None, output: str | None = None) -> Sample:
    # posix_spawn and not fork: the memory of this program would count as the child's own.
    target = os.open(folder / output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if output else os.open(os.devnull, os.O_WRONLY)
    own = os.environ | (environment or {})
    child = ["sh", "-c", 'cd "$0" && exec "$@"', str(folder), *argv]
    begun = time.monotonic()
    pid = os.posix_spawnp("sh", child, own, file_actions=[(os.POSIX_SPAWN_DUP2, target, 1), (os.POSIX_SPAWN_DUP2, target, 2)], setpgroup=0)
    patience = threading.Timer(LIMIT, os.killpg, [pid, signal.SIGKILL])
    patience.start()
    _, status, used = os.wait4(pid, 0)
    wall = time.monotonic() - begun
    patience.cancel()
    os.close(target)
    if status != 0:
        raise RuntimeError(f"{' '.join(argv)[:120]} ended with status {status} in {folder}")
    return Sample(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def rounds(case: str, sides: list[Side], count: int, warm: bool = False, settled: bool = False) -> dict[str, list[Sample]]:
    """Every round runs each side once, in turn first; where `warm`, in one folder that it has seen before; where `settled`, with nothing left in memory or to be
    written by the one before."""
    samples: dict[str, list[Sample]] = {side.name: [] for side in sides}
    # Folders are left to the end: deleting many files slows whoever creates some next.
    place = tempfile.mkdtemp(dir=PLACE.name)
    folders = {}
    broken: set[str] = set()
    for number in range(count):
        for side in sides[number % len(sides) :] + sides[: number % len(sides)]:
            if side.name in broken:
                continue
            folder = Path(place) / f"{side.name}.{'' if warm else number}"
            try:
                if folder not in folders.values():
                    folder.mkdir()
                    folders[(side.name, number)] = folder
                    side.make(folder)
                    if warm:
                        for _ in range(2):
                            measure(side.argv, folder, side.environment, side.output)
                            time.sleep(2.5)  # what is younger than a tick of a clock is read again by who is careful
                if settled:
                    os.sync()
                samples[side.name].append(measure(side.argv, folder, side.environment, side.output))
                if settled:
                    shutil.rmtree(folder)
            except (RuntimeError, OSError) as fault:
                broken.add(side.name)
                print(f"  {case}: {side.name} is left out: {fault}", file=sys.stderr)
    return {name: own for name, own in samples.items() if len(own) == count}


@dataclass
class Row:
    """A line of the table."""

    case: str
    side: str
    wall: float
    cpu: float
    peak: float
    ratio: float
    bar: str = ""


def table(case: str, samples: dict[str, list[Sample]], base: str, bar: str = "") -> list[Row]:
    """Medians; the ratio is the median of the rounds' ratios to the base."""
    if base not in samples:
        raise SystemExit(f"{case}: nothing to compare with, {base} did not run")
    rows = []
    for name, own in samples.items():
        ratio = statistics.median(one.wall / other.wall for one, other in zip(own, samples[base], strict=True))
        peak = max(one.peak for one in own)
        rows.append(Row(case, name, statistics.median(one.wall for one in own), statistics.median(one.cpu for one in own), peak, ratio, bar if name == "xtask" else ""))
    rows.sort(key=lambda row: row.wall)
    for row in rows:
        print(f"  {row.case:<28} {row.side:<22} {row.wall:9.4f} s {row.cpu:9.4f} cpu {row.peak:8.1f} MiB {row.ratio:6.2f} x {base}  {row.bar}", flush=True)
    return rows


def independent(count: int) -> list[Task]:
    return [Task(f"g{n}", [TRUE]) for n in range(count)]


def chain(count: int) -> list[Task]:
    return [Task(f"g{n}", [TRUE], [f"g{n - 1}"] if n else []) for n in range(count)]


def layers(deep: int, wide: int) -> list[Task]:
    need = lambda layer, n, k: f"g{(layer - 1) * wide + (n * 3 + k * 7) % wide}"
    return [Task(f"g{layer * wide + n}", [TRUE], sorted({need(layer, n, k) for k in range(3)}) if layer else []) for layer in range(deep) for n in range(wide)]


def side(peer: Peer, tasks: list[Task], argv: Callable[[Peer], list[str] | None], files: Callable[[Path], None] = lambda folder: None) -> Side | None:
    def make(folder: Path) -> None:
        files(folder)
        peer.write(folder, tasks)
        if peer.name in ("prek", "turbo", "moon") or tasks and tasks[0].inputs:
            commit(folder)

    with tempfile.TemporaryDirectory() as trial:
        peer.write(Path(trial), tasks)  # some know their command line only then
    words = argv(peer)
    return Side(peer.name, words, make, peer.environment()) if words else None


def commit(folder: Path) -> None:
    (folder / ".gitignore").write_text(".gates/\nnode_modules\n.turbo/\n.task/\n.wireit/\n.nx/\n.moon/cache\n.ninja_log\ng[0-9]*\n")
    identity = ["-c", "user.name=b", "-c", "user.email=b@example.invalid", "-c", "gc.auto=0"]
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    subprocess.run(["git", *identity, "commit", "-q", "-m", "x"], cwd=folder, check=True)


def plans(bench: Bench) -> list[Row]:
    rows = []
    for count in [10, 1000]:
        sides = [side(peer, independent(count), lambda peer: peer.plan()) for peer in bench.peers if count <= peer.most and not (bench.small and peer.most <= 1000)]
        limit = Side("limit: exec of true", [TRUE])
        rows += table(f"plan {count}", rounds(f"plan {count}", [*filter(None, sides), limit], 9 if bench.small else 15), "ninja", "<= 1.0" if count == 1000 else "")
    return rows


def no_ops(bench: Bench) -> list[Row]:
    rows = []
    works = [("100", 100, independent(100), 3), ("1000", 1000, independent(1000), 5), ("chain 1000", 1000, chain(1000), 3), ("layers 10 x 100", 1000, layers(10, 100), 3)]
    works += [] if bench.small else [("10000", 10_000, independent(10_000), 2)]
    for name, count, tasks, times in works:
        for jobs in [2, 8] if name in ("1000", "10000") else [2]:
            case = f"no-op {name} -j{jobs}"
            # The slow ones do a hundred; prek knows no order, and go-task looks at each path of a graph again.
            ordered = any(task.needs for task in tasks)
            fit = [peer for peer in bench.peers if count <= peer.most and not (ordered and peer.name in ("prek", "go-task", "mise"))]
            fit = [peer for peer in fit if not (bench.small and peer.most <= 1000)]
            if count == 10_000:
                fit = [peer for peer in fit if peer.name in ("xtask", "ninja", "make", "prek")]
            sides = [*filter(None, (side(peer, tasks, lambda peer: peer.run(jobs)) for peer in fit))]
            if not any(task.needs for task in tasks):
                sides.append(Side("limit: threads", [bench.limits, "threads", str(count), str(jobs)]))
            rows += table(case, rounds(case, sides, times), "ninja", "<= 0.7, 60 MiB" if name in ("1000", "10000") else "")
    return rows


def unchanged(bench: Bench) -> list[Row]:
    rows = []
    for count in [10_000] if bench.small else [10_000, 50_000]:

        def files(folder: Path, count: int = count) -> None:
            filler = ("x" * 79 + "\n") * 32
            for number in range(count):
                place = folder / f"src/p{number % 50}/d{number // 50 % 10}"
                place.mkdir(parents=True, exist_ok=True)
                (place / f"f{number}.txt").write_text(f"{number}\n{filler}")

        tasks = [Task(f"g{n}", [TRUE], [], f"src/p{n}") for n in range(50)]
        fit = [peer for peer in bench.peers if peer.name in ("xtask", "ninja", "make", "go-task", "turbo") and not (bench.small and peer.most <= 100)]

        def made(peer: Peer) -> Side:
            def make(folder: Path) -> None:
                files(folder)
                peer.write(folder, tasks)
                commit(folder)

            with tempfile.TemporaryDirectory() as trial:
                peer.write(Path(trial), tasks)
            return Side(peer.name, peer.run(2) or [], make, peer.environment())

        def repository(folder: Path) -> None:
            files(folder)
            commit(folder)

        status = Side("git status", ["git", "status", "--porcelain=v2"], repository)
        limit = Side("limit: walk and lstat", [bench.limits, "walk", "."], files)
        case = f"unchanged, {count} files"
        rows += table(case, rounds(case, [*map(made, fit), status, limit], 5 if bench.small else 7, warm=True), "git status", "<= 1.0" if count == 50_000 else "")
    return rows


def logs(bench: Bench) -> list[Row]:
    rows = []
    whole = 1 << (26 if bench.small else 30)
    for name, tasks_count, size in [("1 log", 1, whole), ("100 logs", 100, whole // 100)]:
        with tempfile.TemporaryDirectory() as place:
            source = Path(place) / "source"
            with source.open("w") as out:
                out.writelines(["0123456789abcdef" * 8 + "\n"] * (size // 129))
            words = ["dd", f"if={source}", "bs=128k", "status=none"]
            tasks = [Task(f"g{n}", words) for n in range(tasks_count)]
            fit = [peer for peer in bench.peers if peer.name in ("xtask", "ninja", "make", "just") and (tasks_count == 1 or peer.name != "just")]
            if bench.small:
                fit = [peer for peer in fit if peer.name in ("xtask", "ninja")]
            sides = [*filter(None, (side(peer, tasks, lambda peer: peer.run(2)) for peer in fit))]
            for one in sides:
                one.output = None if one.name == "xtask" else "log"
            direct = Side("cmd > file", ["sh", "-c", f"for n in $(seq {tasks_count}); do {' '.join(words)} > log.$n; done"])
            case = f"{name} of {size >> 20} MiB"
            bar = "<= 1.1, 30 MiB" if tasks_count == 1 and not bench.small else ""
            rows += table(case, rounds(case, [*sides, direct], 3 if bench.small else 5, settled=True), "cmd > file", bar)
    return rows


def report(file: Path, count: int) -> None:
    """JUnit of pytest's shape: one case in a hundred failed with a stack, nine in ten printed something."""
    stack = "\n".join(f'  File "app/module_{n}.py", line {n * 7}, in function_{n}' for n in range(20))
    with file.open("w") as out:
        out.write(f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="{count // 100}" skipped="0" tests="{count}" time="1.0">\n')
        for n in range(count):
            head = f'<testcase classname="tests.module_{n % 997}.TestGroup" name="test_number_{n}[parameter]" time="0.001">'
            body = f'<failure message="assert {n} == 0">{stack}\nE assert {n} == 0</failure>' if n % 100 == 0 else f"<system-out>{'x' * 330} {n}</system-out>" if n % 10 else ""
            out.write(f"{head}{body}</testcase>\n")
        out.write("</testsuite></testsuites>\n")


def junit(bench: Bench) -> list[Row]:
    count = 50_000 if bench.small else 1_000_000
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "report.xml"
        report(file, count)
        read = ["sh", "-c", f"{bench.tool} junit {file} || test $? = 1"]  # it has red cases
        gate = ["sh", "-c", f"{bench.tool} gate g || test $? = 1"]
        text = f"schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'b'\nrun = ['cp', '{file}', '{{junit}}']\n"
        make = lambda folder: (folder / "gates.toml").write_text(text)
        # A run of another machine, whose report is read, proven and learned by a history that is new.
        other = Path(place) / "other"
        other.mkdir()
        make(other)
        measure(gate, other)
        learn = [bench.tool, "history", "import", str(other / ".gates/runs")]
        sides = [Side("xtask", learn, make), Side("xtask: junit", read), Side("xtask: gate", gate, make), Side("quick-xml alone", [bench.limits, "quick-xml", str(file)])]
        case = f"JUnit, {count} cases"
        return table(case, rounds(case, sides, 5), "quick-xml alone", "<= 1.5, 200 MiB")


def cargo(bench: Bench) -> list[Row]:
    """The tool's own cold build, and what cargo costs a call."""
    built = Path(tempfile.mkdtemp(dir=ROOT / "target"))
    try:
        global LIMIT  # a build may take longer than a gate
        LIMIT = 1200
        cold = ["cargo", "build", "-q", "--profile", "tool", "-p", "xtask", "--target-dir", str(built), "--manifest-path", str(ROOT / "Cargo.toml")]
        rows = table("cold build", {"cargo build": [measure(cold, ROOT)]}, "cargo build")
        # From the root, whose .cargo/config.toml says how it is built.
        through = ["env", "-C", str(ROOT), "cargo", "run", "-q", "--profile", "tool", "-p", "xtask", "--target-dir", str(built), "--", "--version"]
        sides = [Side("cargo xtask", through), Side("the binary", [str(built / "tool/xtask"), "--version"])]
        return rows + table("start", rounds("start", sides, 9), "the binary")
    finally:
        shutil.rmtree(built)


def history(bench: Bench) -> list[Row]:
    told = subprocess.run([bench.history, "--bench"], check=True, capture_output=True, text=True).stdout
    print("  " + told.strip().replace("\n", "\n  "))
    took = next(float(line.split()[1]) for line in told.splitlines() if line.strip().startswith("tally"))
    return [Row("tally, 1000 runs x 10000", "xtask", took / 1000, took / 1000, 0, took / 200, "<= 200 ms")]


def database(bench: Bench) -> list[Row]:
    """The demo's database: a clone of its migrated template, and migrating an empty one, as the events of a run tell them."""
    measure([bench.tool, "gate", "schema-drift", "fresh-db", "--runs", "4", "--jobs", "1"], ROOT)
    clones, migrations = [], []
    for text in (ROOT / ".gates/runs/latest/events.jsonl").read_text().splitlines():
        kind = json.loads(text)["kind"]
        if kind.get("DatabaseReady", {}).get("state") == "migrated":
            clones.append(kind["DatabaseReady"]["took"] / 1000)
        if kind.get("ProcEnded", {}).get("fact", {}).get("step") == "upgrade":
            migrations.append(kind["ProcEnded"]["fact"]["took"] / 1000)
    clone, migration = statistics.median(clones), statistics.median(migrations)
    print(f"  a clone {clone * 1000:.0f} ms, migrating an empty database {migration * 1000:.0f} ms")
    return [Row("fresh database", "xtask: clone", clone, 0, 0, clone / migration, "<= 100 ms"), Row("fresh database", "migrating", migration, 0, 0, 1.0)]


def phase(bench: Bench) -> list[Row]:
    """The gates of phase1 on the demo against the same commands by hand, in the repository itself, as everything is set up there."""
    subprocess.run([bench.tool, "setup"], cwd=ROOT, check=True, capture_output=True)
    sides = [Side("xtask", [bench.tool, "gate", "phase1", "--alone"]), Side("by hand", [str(HERE / "by-hand")])]
    samples: dict[str, list[Sample]] = {side.name: [] for side in sides}
    for number in range(3):
        for one in sides[number % 2 :] + sides[: number % 2]:
            samples[one.name].append(measure(one.argv, ROOT))
    return table("phase1", samples, "by hand", "<= 1.1")


CASES: dict[str, Callable[[Bench], list[Row]]] = {
    "plan": plans,
    "no-op": no_ops,
    "unchanged": unchanged,
    "log": logs,
    "junit": junit,
    "history": history,
    "database": database,
    "phase": phase,
    "cargo": cargo,
}
#: What the small sizes of a CI job are about.
CHECKED = ["plan", "no-op", "unchanged", "log", "junit"]


@dataclass
class Bench:
    small: bool
    peers: list[Peer]
    tool: str
    limits: str
    history: str


def built() -> tuple[Path, str, str]:
    """The tool with the profile of its alias, and the programs that measure the machine."""
    subprocess.run(["cargo", "build", "-q", "--profile", "tool", "-p", "xtask", "--target-dir", "target/xtask"], cwd=ROOT, check=True)
    words = ["cargo", "bench", "-q", "--profile", "tool", "-p", "xtask", "--no-run", "--message-format", "json", "--target-dir", "target/xtask"]
    told = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    programs = {}
    for text in told.splitlines():
        message = json.loads(text) if text.startswith("{") else {}
        if message.get("executable") and "bench" in message["target"]["kind"]:
            programs[message["target"]["name"]] = message["executable"]
    return ROOT / "target/xtask/tool/xtask", programs["limits"], programs["history"]


def machine(bench: Bench) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    tools = ", ".join(peer.name for peer in bench.peers)
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()} {platform.release()}, rustc {rust}, Python {platform.python_version()}; {tools}."


def write(bench: Bench, rows: list[Row]) -> None:
    """Puts the tables into README.md, between its two marks. Cases that were not run keep theirs."""
    readme = HERE / "README.md"
    front, rest = readme.read_text().split("<!-- table -->\n", 1)
    before, back = rest.split("<!-- end -->\n", 1)
    # A table begins with the name of its case.
    tables = {text.split("|")[1].strip(): text for text in before.strip().split("\n\n") if text.startswith("|")}
    for case in dict.fromkeys(row.case for row in rows):
        lines = [f"| {case} | wall s | cpu s | peak MiB | ratio | wanted |", "| --- | --- | --- | --- | --- | --- |"]
        lines += [f"| {row.side} | {row.wall:.4f} | {row.cpu:.4f} | {row.peak:.0f} | {row.ratio:.2f} | {row.bar} |" for row in rows if row.case == case]
        tables[case] = "\n".join(lines)
    text = "\n\n".join([machine(bench), *tables.values()])
    readme.write_text(f"{front}<!-- table -->\n{text}\n\n<!-- end -->\n{back}")


def ratios(rows: list[Row]) -> dict[str, float]:
    return {row.case: round(row.ratio, 3) for row in rows if row.side == "xtask"}


def check(bench: Bench, names: list[str], rows: list[Row]) -> int:
    """Fails on a ratio that got worse than it was when `ratios.json` was written. The machine may be busy: it is measured again first."""
    wanted: dict[str, float] = json.loads((HERE / "ratios.json").read_text())
    for attempt in range(TRIES):
        now = ratios(rows)
        worse = {case: (now[case], was) for case, was in wanted.items() if case in now and now[case] > was * WORSE}
        missing = [case for case in wanted if case not in now]
        if missing:
            print(f"not measured: {', '.join(missing)}", file=sys.stderr)
            return 1
        if not worse:
            print(f"no ratio is {WORSE} times as bad as it was ({len(now)} looked at)")
            return 0
        for case, (is_now, was) in worse.items():
            print(f"worse: {case}: {is_now:.2f} where it was {was:.2f}", file=sys.stderr)
        if attempt + 1 < TRIES:
            again = [row for name in names for row in CASES[name](bench)]
            # The better of all attempts counts: noise makes slower, never faster.
            best = {row.case: row for row in rows if row.side == "xtask"}
            for row in again:
                if row.side == "xtask" and row.ratio < best[row.case].ratio:
                    best[row.case] = row
            rows = list(best.values())
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, required=True, help="the folder of bench/install")
    parser.add_argument("--small", action="store_true", help="small sizes, for a CI job")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--write", action="store_true", help="put the tables into bench/README.md; with --small the ratios into bench/ratios.json")
    parser.add_argument("--check", action="store_true", help="fail on a ratio that got worse than in bench/ratios.json")
    told = parser.parse_args()
    tool, limits, history_program = built()
    bench = Bench(told.small, found(told.peers.resolve(), tool), str(tool), limits, history_program)
    names = [name for name in told.only if not told.small or name in CHECKED]
    rows: list[Row] = []
    for name in names:
        print(name, flush=True)
        rows += CASES[name](bench)
        if told.write and not told.small:
            write(bench, rows)  # after each, as all of them take half an hour
    if told.write and told.small:
        (HERE / "ratios.json").write_text(json.dumps(ratios(rows), indent=2) + "\n")
    return check(bench, names, rows) if told.check else 0


if __name__ == "__main__":
    sys.exit(main())
