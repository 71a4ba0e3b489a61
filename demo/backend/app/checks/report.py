"""Findings as JUnit and as lines, the same for every script."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; no message means that it is as it should be."""

    name: str
    message: str = ""


def arguments(doc: str | None) -> argparse.Namespace:
    """``--junit FILE``."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--junit", type=Path, help="write the findings as JUnit")
    return parser.parse_args()


def tell(suite: str, findings: Sequence[Finding], junit: Path | None) -> int:
    """Print what is wrong, write the report, and give the exit status: 1 when something is wrong, 2 when nothing was looked at."""
    wrong = [finding for finding in findings if finding.message]
    if junit is not None:
        root = ElementTree.Element("testsuite", name=suite, tests=str(len(findings)), failures=str(len(wrong)), errors="0", skipped="0")
        for finding in findings:
            case = ElementTree.SubElement(root, "testcase", classname=suite, name=finding.name)
            if finding.message:
                ElementTree.SubElement(case, "failure", message=finding.message).text = finding.message
        ElementTree.ElementTree(root).write(junit, encoding="utf-8", xml_declaration=True)
    for finding in wrong:
        print(f"{finding.name}: {finding.message}")
    print(f"{suite}: {len(findings)} looked at, {len(wrong)} wrong")
    if not findings:
        print("nothing was looked at", file=sys.stderr)
        return 2
    return 1 if wrong else 0
