"""How each tool is given the same work: one file format and three command lines a tool. Knows no measuring."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Task:
    """One unit of work."""

    name: str
    argv: list[str]
    needs: list[str] = field(default_factory=list)
    inputs: str = ""


class Peer:
    """A tool. `None` for a command line says that it has no such thing."""

    name = ""
    #: Largest number of tasks that it does in bearable time.
    most = 10_000

    def __init__(self, program: Path) -> None:
        self.program = str(program)

    def write(self, folder: Path, tasks: list[Task]) -> None:
        raise NotImplementedError

    def plan(self) -> list[str] | None:
        return None

    def run(self, jobs: int) -> list[str] | None:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}


def line(task: Task) -> str:
    return " ".join(task.argv)


class Xtask(Peer):
    name = "xtask"

    def write(self, folder: Path, tasks: list[Task]) -> None:
        reuse = any(task.inputs for task in tasks)
        text = ["schema = 1\n", "[profile.local]\nreuse = 'same-inputs'\n" if reuse else ""]
        text.append(f"[phase.p]\ngates = {json.dumps([task.name for task in tasks])}\n")
        for task in tasks:
            needs = f"needs = {json.dumps(task.needs)}\n" if task.needs else ""
            inputs = f"inputs = [{json.dumps(task.inputs + '/**')}]\n" if task.inputs else ""
            text.append(f"[gate.{task.name}]\nowner = 'b'\nrun = {json.dumps(task.argv)}\n{needs}{inputs}")
        (folder / "gates.toml").write_text("".join(text))

    def plan(self) -> list[str]:
        return [self.program, "plan", "p"]

    def run(self, jobs: int) -> list[str]:
        return [self.program, "gate", "p", "--jobs", str(jobs)]


class Ninja(Peer):
    name = "ninja"

    def write(self, folder: Path, tasks: list[Task]) -> None:
        # A stamp where there are inputs; else an output that never comes, so that everything runs each time.
        text = ["rule run\n  command = $argv\nrule stamp\n  command = $argv && touch $out\n"]
        for task in tasks:
            inputs = " ".join(sorted(str(path.relative_to(folder)) for path in (folder / task.inputs).rglob("*") if path.is_file())) if task.inputs else ""
            needs = f" || {' '.join(task.needs)}" if task.needs else ""
            text.append(f"build {task.name}: {'stamp' if task.inputs else 'run'} {inputs}{needs}\n  argv = {line(task)}\n")
        (folder / "build.ninja").write_text("".join(text))

    def plan(self) -> list[str]:
        return [self.program, "-n"]

    def run(self, jobs: int) -> list[str]:
        return [self.program, f"-j{jobs}"]


class Make(Peer):
    name = "make"

    def write(self, folder: Path, tasks: list[Task]) -> None:
        names = " ".join(task.name for task in tasks)
        stamps = any(task.inputs for task in tasks)
        text = [f"all: {names}\n" if stamps else f".PHONY: all {names}\nall: {names}\n"]
        for task in tasks:
            inputs = " ".join(sorted(str(path.relative_to(folder)) for path in (folder / task.inputs).rglob("*") if path.is_file())) if task.inputs else ""
            text.append(f"{task.name}: {' '.join(task.needs)} {inputs}\n\t@{line(task)}{' && touch $@' if task.inputs else ''}\n")
        (folder / "Makefile").write_text("".join(text))

    def plan(self) -> list[str]:
        return [self.program, "-rRn"]

    def run(self, jobs: int) -> list[str]:
        return [self.program, "-rR", "-O", f"-j{jobs}"]


class Just(Peer):
    name = "just"

    def write(self, folder: Path, tasks: list[Task]) -> None:
        text = [f"all: {' '.join(task.name for task in tasks)}\n"]
        text += [f"{task.name}: {' '.join(task.needs)}\n    @{line(task)}\n" for task in tasks]
        (folder / "justfile").write_text("".join(text))

    def plan(self) -> list[str]:
        return [self.program, "--list"]

    def run(self, jobs: int) -> list[str]:
        return [self.program, "all"]


class GoTask(Peer):
    name = "go-task"

    def write(self, folder: Path, tasks: list[Task]) -> None:
        text = ["version: '3'\nsilent: true\noutput: group\ntasks:\n", f"  all:\n    deps: {json.dumps([task.name for task in tasks])}\n"]
        for task in tasks:
            text.append(f"  {task.name}:\n    desc: x\n    deps: {json.dumps(task.needs)}\n    cmds: [{json.dumps(line(task))}]\n")
            if task.inputs:
                text.append(f"    sources: [{json.dumps(task.inputs + '/**/*')}]\n")
        (folder / "Taskfile.yml").write_text("".join(text))

    def plan(self) -> list[str]:
        return [self.program, "--list-all"]

    def run(self, jobs: int) -> list[str]:
        return [self.program, "-C", str(jobs), "all"]


class Prek(Peer):
    name = "prek"

    def write(self, folder: Path, tasks: list[Task]) -> None:
        text = ["repos:\n- repo: local\n  hooks:\n"]
        for task in tasks:
            text.append(
                f"  - {{id: {task.name}, name: {task.name}, language: system, entry: {json.dumps(line(task))}, pass_filenames: false, always_run: true, priority: 1}}\n"
            )
        (folder / ".pre-commit-config.yaml").write_text("".join(text))
        (folder / "README").write_text("x\n")

    def plan(self) -> list[str]:
        return [self.program, "list"]

    def run(self, jobs: int) -> list[str]:
        return [self.program, "run", "--all-files", "-q"]

    def environment(self) -> dict[str, str]:
        return {"PREK_HOME": ".prek"}


class Mise(Peer):
    name = "mise"
    most = 100

    def write(self, folder: Path, tasks: list[Task]) -> None:
        text = [f"[tasks.all]\ndepends = {json.dumps([task.name for task in tasks])}\n"]
        text += [f"[tasks.{task.name}]\nrun = {json.dumps(line(task))}\ndepends = {json.dumps(task.needs)}\n" for task in tasks]
        (folder / "mise.toml").write_text("".join(text))

    def plan(self) -> list[str]:
        return [self.program, "tasks", "ls"]

    def run(self, jobs: int) -> list[str]:
        return [self.program, "run", "-q", "-j", str(jobs), "all"]

    def environment(self) -> dict[str, str]:
        return {"MISE_TRUSTED_CONFIG_PATHS": "/", "MISE_OFFLINE": "1", "MISE_YES": "1"}


class Turbo(Peer):
    name = "turbo"
    most = 100

    def write(self, folder: Path, tasks: list[Task]) -> None:
        scripts = {task.name: line(task) for task in tasks}
        (folder / "package.json").write_text(json.dumps({"name": "w", "private": True, "packageManager": "npm@11.0.0", "scripts": scripts}))
        (folder / "package-lock.json").write_text(json.dumps({"name": "w", "lockfileVersion": 3, "requires": True, "packages": {"": {"name": "w"}}}))
        known = {task.name: {"cache": bool(task.inputs), "inputs": [f"{task.inputs}/**"] if task.inputs else [], "outputs": []} for task in tasks}
        (folder / "turbo.json").write_text(json.dumps({"tasks": known, "ui": "stream"}))
        self.names = [task.name for task in tasks]

    def plan(self) -> list[str]:
        return [self.program, "run", *self.names, "--dry=json"]

    def run(self, jobs: int) -> list[str]:
        return [self.program, "run", *self.names, f"--concurrency={jobs}", "--output-logs=none"]

    def environment(self) -> dict[str, str]:
        return {"TURBO_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1"}


class Moon(Peer):
    name = "moon"
    most = 100

    def write(self, folder: Path, tasks: list[Task]) -> None:
        (folder / ".moon").mkdir()
        (folder / ".moon/workspace.yml").write_text("projects:\n  root: '.'\ntelemetry: false\n")
        text = ["language: 'bash'\ntasks:\n"]
        for task in tasks:
            inputs = [f"{task.inputs}/**/*"] if task.inputs else []
            deps = [f"~:{need}" for need in task.needs]
            text.append(f"  {task.name}:\n    command: {json.dumps(line(task))}\n    deps: {json.dumps(deps)}\n    inputs: {json.dumps(inputs)}\n")
            text.append(f"    toolchains: ['system']\n    options: {{cache: {'true' if task.inputs else 'false'}}}\n")
        (folder / "moon.yml").write_text("".join(text))
        self.names = [f"root:{task.name}" for task in tasks]

    def plan(self) -> list[str]:
        return [self.program, "query", "tasks"]

    def run(self, jobs: int) -> list[str]:
        return [self.program, "run", *self.names, "-c", str(jobs)]

    def environment(self) -> dict[str, str]:
        return {"MOON_TELEMETRY": "false", "DO_NOT_TRACK": "1"}


class Nx(Peer):
    name = "nx"
    most = 100

    def write(self, folder: Path, tasks: list[Task]) -> None:
        targets = {}
        for task in tasks:
            targets[task.name] = {"executor": "nx:run-commands", "options": {"command": line(task)}, "dependsOn": task.needs, "cache": bool(task.inputs)}
            if task.inputs:
                targets[task.name]["inputs"] = ["{projectRoot}/" + task.inputs + "/**/*"]
        (folder / "project.json").write_text(json.dumps({"name": "w", "root": ".", "targets": targets}))
        (folder / "package.json").write_text(json.dumps({"name": "w", "private": True, "devDependencies": {"nx": "*"}}))
        (folder / "nx.json").write_text("{}")
        (folder / "node_modules").symlink_to(Path(self.program).parent.parent)
        self.names = [task.name for task in tasks]

    def plan(self) -> list[str]:
        return [self.program, "show", "project", "w", "--json"]

    def run(self, jobs: int) -> list[str]:
        return [self.program, "run-many", "-t", ",".join(self.names), f"--parallel={jobs}", "--outputStyle=static"]

    def environment(self) -> dict[str, str]:
        return {"NX_DAEMON": "false", "NX_NO_CLOUD": "true", "CI": "true"}


class Wireit(Peer):
    name = "wireit"
    most = 100

    def write(self, folder: Path, tasks: list[Task]) -> None:
        scripts = {"all": "wireit"} | {task.name: "wireit" for task in tasks}
        known: dict[str, dict] = {"all": {"dependencies": [task.name for task in tasks]}}
        for task in tasks:
            known[task.name] = {"command": line(task), "dependencies": task.needs}
            if task.inputs:
                known[task.name] |= {"files": [f"{task.inputs}/**"], "output": []}
        (folder / "package.json").write_text(json.dumps({"name": "w", "private": True, "scripts": scripts, "wireit": known}))
        (folder / "node_modules").symlink_to(Path(self.program).parent.parent)

    def run(self, jobs: int) -> list[str]:
        return ["npm", "run", "-s", "all"]

    def environment(self) -> dict[str, str]:
        return {"WIREIT_PARALLEL": "2", "WIREIT_LOGGER": "quiet", "WIREIT_CACHE": "none"}


def found(folder: Path, tool: Path) -> list[Peer]:
    """The tools that are there, ours first."""
    node, python = folder / "node_modules", folder / "venv/bin"
    places: list[tuple[type[Peer], Path | None]] = [
        (Xtask, tool),
        (Ninja, python / "ninja"),
        (Make, Path(shutil.which("make") or "/nowhere")),
        (Just, python / "just"),
        (GoTask, python / "task"),
        (Prek, python / "prek"),
        (Mise, next(iter(sorted(node.glob("@jdxcode/mise-*/bin/mise"))), None)),
        (Turbo, next(iter(sorted(node.glob("@turbo/*/bin/turbo"))), None)),
        (Moon, next(iter(sorted(node.glob("@moonrepo/core-*/moon"))), None)),
        (Nx, node / ".bin/nx"),
        (Wireit, node / ".bin/wireit"),
    ]
    return [kind(path) for kind, path in places if path is not None and path.exists()]
