"""The one table: its rows, the medians in them, and how it is printed."""

import statistics
from dataclasses import dataclass


@dataclass
class Row:
    what: str
    baseline: str = ""
    eider: str = ""
    ratio: str = ""    # how many times better eider is
    target: str = ""   # with a word on whether it is met


HEAD = Row("what", "baseline", "eider", "ratio", "target")
FIELDS = ("what", "baseline", "eider", "ratio", "target")


def median(values):
    return statistics.median(values)


def ratios(better_when_small, baseline, eider):
    """The ratio of each run: how many times better eider was in it."""
    return [b / e if better_when_small else e / b for b, e in zip(baseline, eider)]


def spread(values):
    """Median, and the least and the greatest of several."""
    text = f"{median(values):.1f}x"
    return text if len(values) == 1 else f"{text} ({min(values):.1f} to {max(values):.1f})"


def target(text, met):
    return f"{text}: {'met' if met else 'MISSED'}"


def less_is_better(what, unit, baseline, eider, wanted=""):
    """The row of two lists of figures, one a run, of which the smaller is the better."""
    return Row(what, unit(median(baseline)), unit(median(eider)), spread(ratios(True, baseline, eider)), wanted)


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


# --- units -------------------------------------------------------------------------------------------------------


def us(seconds):
    return f"{seconds * 1e6:.2f} µs"


def ms(seconds):
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def mib(count):
    return f"{count / 2**20:.0f} MiB"


def rate(per_second):
    return f"{per_second:,.0f}/s"


def share(value):
    return f"{value:.0%}"


def short_count(count):
    return f"{count // 1_000_000}M" if count >= 1_000_000 else f"{count // 1000}k"


# --- printing ----------------------------------------------------------------------------------------------------


def as_text(rows):
    widths = [max(len(getattr(row, field)) for row in (HEAD, *rows)) for field in FIELDS]
    line = lambda row: "  ".join(getattr(row, field).ljust(width) for field, width in zip(FIELDS, widths)).rstrip()
    return "\n".join([line(HEAD), "  ".join("-" * width for width in widths), *map(line, rows)])


def as_markdown(rows):
    line = lambda row: "| " + " | ".join(getattr(row, field) for field in FIELDS) + " |"
    return "\n".join([line(HEAD), "|---" * len(FIELDS) + "|", *map(line, rows)])
