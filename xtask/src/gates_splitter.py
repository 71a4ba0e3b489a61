"""Keeps one part of the tests: whole files where there are enough of them, single tests where there are not.

GATES_PART is INDEX/TOTAL. The parts depend on the collected names alone, so every machine with the same code makes the same ones.
"""

import os


def pytest_collection_modifyitems(config, items):
    index, total = (int(word) for word in os.environ["GATES_PART"].split("/"))
    files = {}
    for item in items:
        files.setdefault(item.nodeid.split("::")[0], []).append(item)
    groups = list(files.values()) if len(files) >= total else [[item] for item in items]
    # The largest first, each to the part that has the least so far.
    loads = [0] * total
    kept = set()
    for group in sorted(groups, key=lambda group: (-len(group), group[0].nodeid)):
        part = loads.index(min(loads))
        loads[part] += len(group)
        if part == index - 1:
            kept.update(item.nodeid for item in group)
    gone = [item for item in items if item.nodeid not in kept]
    items[:] = [item for item in items if item.nodeid in kept]
    if gone:
        config.hook.pytest_deselected(items=gone)
