# SPDX-License-Identifier: Apache-2.0
"""From samples to ratios: medians, spread, goals, and the two ways to write them down."""

import json
import operator
import statistics

RELATIONS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge}


def spread(ratios):
    """The middle half of them; all of them when there are few."""
    if len(ratios) < 4:
        return [min(ratios), max(ratios)]
    quartiles = statistics.quantiles(ratios, n=4, method="inclusive")
    return [quartiles[0], quartiles[2]]


def compare(measurement, where, name, samples):
    """One result for each peer. SAMPLES is a list of rounds, each {contender: {name: value}}."""
    for peer in measurement.peers:
        pairs = [(one["ferry"][name], one[peer][name]) for one in samples
                 if name in one.get("ferry", {}) and name in one.get(peer, {})]
        if not pairs:
            continue
        ferry, other = (statistics.median(values) for values in zip(*pairs))
        # Only what was measured in the same round is compared.
        ratios = [mine / theirs for mine, theirs in pairs]
        ratio = statistics.median(ratios)
        goal = met = None
        if peer in measurement.goals:
            relation, limit = measurement.goals[peer]
            goal, met = f"ratio {relation} {limit:g}", RELATIONS[relation](ratio, limit)
        elif measurement.limit:
            relation, limit = measurement.limit
            goal = f"ferry {relation} {limit:g} {measurement.unit}"
            met = RELATIONS[relation](ferry, limit)
        yield {
            "name": name, "where": where, "unit": measurement.unit, "rounds": len(pairs),
            "ferry": round(ferry, 3), "against": peer,
            "floor" if peer == "floor" else "peer": round(other, 3),
            "ratio": round(ratio, 3), "spread": [round(end, 3) for end in spread(ratios)],
            "goal": goal, "met": met,
        }


def alone(measurement, where, name, samples):
    """The result of a measurement that has no peer: nobody else does such a thing."""
    mine = [one["ferry"][name] for one in samples if name in one.get("ferry", {})]
    relation, limit = measurement.limit
    value = statistics.median(mine)
    yield {
        "name": name, "where": where, "unit": measurement.unit, "rounds": len(mine),
        "ferry": round(value, 3), "against": None, "peer": None, "ratio": None, "spread": None,
        "goal": f"ferry {relation} {limit:g} {measurement.unit}",
        "met": RELATIONS[relation](value, limit),
    }


def results(measurement, where, samples):
    """Every result of a measurement."""
    names = {name: None for one in samples for values in one.values() for name in values}
    for name in names:
        compare_it = compare if measurement.peers else alone
        compared = list(compare_it(measurement, where, name, samples))
        if measurement.either and any(result["met"] for result in compared):
            for result in compared:
                result["met"] = True
        yield from compared


def number(value):
    """Three digits that mean something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


ROW = "{:<16} {:<5} {:>9} {:>9} {:<4} {:<13} {:>6} {:>13}  {:<15} {}"


def heading():
    """The first line of the table."""
    return ROW.format("measurement", "where", "ferry", "peer", "unit", "against", "ratio",
                      "spread", "goal", "met").rstrip()


def row(result):
    """A line of the table."""
    met = {True: "yes", False: "NO", None: ""}[result["met"]]
    peer, ratio, spread_text = "", "", ""
    if result["against"]:
        low, high = result["spread"]
        peer = number(result.get("peer", result.get("floor")))
        ratio, spread_text = f"{result['ratio']:.2f}", f"{low:.2f}-{high:.2f}"
    return ROW.format(
        result["name"], result["where"], number(result["ferry"]), peer, result["unit"],
        result["against"] or "", ratio, spread_text, result["goal"] or "", met).rstrip()


def line(result):
    """A line of JSON."""
    return json.dumps(result)
