"""Which rows a user means: METHOD[:RULE][,SETTING=VALUE...], or the id of one seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from bench import UsageError
from bench.near import did_you_mean
from bench.results.columns import RANKED_RULE
from bench.results.verdicts import Cell, Scored
from bench.runs.sheets import dataset_title, table_key

RUN = re.compile(r"(r-[0-9a-f]+)(?::(\w*))?")


def pairs_of(a: str, b: str, scored: Sequence[Scored]) -> list[tuple[Scored, Scored]]:
    """The rows of two selectors, a pair for each table that has both; UsageError, with near names, where none has."""
    tables = [list(group) for _, group in groupby(scored, key=lambda each: table_key(each.row))]
    everywhere = {text: [_row(text, table) for table in tables] for text in (a, b)}
    for text, found in everywhere.items():
        if not any(found):
            raise UsageError(_unknown(text, scored))
    pairs = [(x, y) for x, y in zip(everywhere[a], everywhere[b], strict=True) if x and y]
    if not pairs:
        raise UsageError(
            f"{a} and {b} are in no table together: they have other data, fingerprints, protocols or versions, "
            "and are not to be compared"
        )
    return pairs


def _row(text: str, table: Sequence[Scored]) -> Scored | None:
    """The row of a table that a selector means, None where there is none; UsageError where it means several."""
    run = RUN.fullmatch(text)
    found = _of_run(run[1], run[2], table) if run else _of_method(text, table)
    if len(found) > 1:
        names = "; ".join(map(title, found))
        where = f"{dataset_title(found[0].row)}, protocol {found[0].row['protocol']}"
        raise UsageError(f"{text} means several rows of {where}: {names}; add a rule or settings")
    return found[0] if found else None


def _of_run(run_id: str, rule: str | None, table: Sequence[Scored]) -> list[Scored]:
    """A row with the one seed that a run id names."""
    found = []
    for scored in table:
        numbers = [n for n, result in enumerate(scored.results) if result["run_id"] == run_id]
        found += [_one_seed(scored, number) for number in numbers]
    return _under(rule, found)


def _one_seed(scored: Scored, number: int) -> Scored:
    cells = {stage: _cell_of(cell, number) for stage, cell in scored.cells.items()}
    frames = {stage: [frames[number]] for stage, frames in scored.frames.items()}
    seed = scored.results[number]
    row = {**scored.row, "settings": ",".join(filter(None, (scored.row["settings"], f"seed={seed['seed']}")))}
    return scored._replace(row=row, cells=cells, frames=frames, results=[seed])


def _cell_of(cell: Cell, number: int) -> Cell:
    scores = cell.scores
    return cell._replace(scores=replace(scores, values=scores.values[[number]], fits=scores.fits[number : number + 1]))


def _of_method(text: str, table: Sequence[Scored]) -> list[Scored]:
    """Rows of the method that have all of the settings; where one has exactly those, it alone."""
    head, *settings = text.split(",")
    method, _, rule = head.partition(":")
    found = _under(rule or None, [s for s in table if s.row["method"] == method and set(settings) <= _settings(s)])
    exact = [scored for scored in found if _settings(scored) == set(settings)]
    return exact or found


def _under(rule: str | None, found: list[Scored]) -> list[Scored]:
    """Those under a rule; without one under the ranked rule, wherever there are several."""
    if rule is not None:
        return [scored for scored in found if scored.row["rule"] == rule and scored.cells]
    there = [scored for scored in found if scored.cells]
    return [scored for scored in there if scored.row["rule"] == RANKED_RULE] or there


def _settings(scored: Scored) -> set[str]:
    return {part for part in (scored.row["settings"] or "").split(",") if part}


def title(scored: Scored) -> str:
    """A row as a selector has it."""
    row = scored.row
    rule = f":{row['rule']}" if row["rule"] else ""
    return ",".join([f"{row['method']}{rule}", *filter(None, [row["settings"]])])


def _unknown(text: str, scored: Sequence[Scored]) -> str:
    """Why nothing is meant by a selector, and what is near it."""
    rows = list(dict.fromkeys(title(each) for each in scored if each.cells))
    if RUN.fullmatch(text):
        known = [str(result["run_id"]) for each in scored for result in each.results]
        return (
            f"no finished run with scores is called {text}; {did_you_mean(text, known, '`bench runs list` names them')}"
        )
    method = re.split("[:,]", text)[0]
    methods = list(dict.fromkeys(str(each.row["method"]) for each in scored))
    if method not in methods:
        there = ", ".join(methods)
        return f"no row is of a method {method}; {did_you_mean(method, methods, f'there are {there}')}"
    own = [name for name in rows if re.split("[:,]", name)[0] == method]
    return f"no row is {text}; of {method} there are {'; '.join(own) or 'only runs that failed'}"
