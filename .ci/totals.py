"""Reads the run's junit.xml with junitparser and compares its totals with those of the tools' own reports."""

import glob
import sys

from junitparser import JUnitXml

run = sys.argv[1]
merged = {suite.name: suite for suite in JUnitXml.fromfile(f"{run}/junit.xml")}
for gate, least in (("backend-tests", 110), ("frontend-tests", 40)):
    own = [case for path in glob.glob(f"{run}/junit/{gate}.1/*.xml") for suite in JUnitXml.fromfile(path) for case in suite]
    ours = list(merged[gate])
    names = [case.name for case in ours]
    red = [sum(not case.is_passed for case in cases) for cases in (own, ours)]
    print(f"{gate}: the tool wrote {len(own)} cases, junit.xml has {len(ours)}, {len(set(names))} different; red {red[0]} and {red[1]}")
    if not len(own) == len(ours) == len(set(names)) >= least or red != [0, 0]:
        sys.exit(f"{gate}: the totals differ")
