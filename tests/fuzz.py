"""Definitions and claims files that nobody meant to write: mutations of a good one, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

_Mutation = Callable[[random.Random, str], str]

HOSTILE_TEXTS = (
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "a\x00b", "\x7f\x9b31m", "\u202egnp.exe", "\u2028", "\r\noverwritten",
    "x" * 100_000, "é" * 5_000, "\U0001f600", "'\"\\", "{0.__class__}", "%s%n", "=cmd()", "../../etc/passwd",
)  # fmt: skip

HOSTILE_VALUES = (
    "9" * 5_000, "-" + "9" * 4_000, "0x" + "f" * 5_000, "1e999", "-1e999", "nan", "inf", "-inf", "0", "-1", "1e-320",
    "true", '"off"', '""', "[]", "{}", "[[]]", "[{}]", "1979-05-27T07:32:00Z", "07:32:00", "2**3", "{ low = 1 }",
    "{ low = 1, high = 1e308, log = true, off_share = 0.9 }", "{ choices = [] }", "{ choices = [nan, inf, 1] }",
    "[" + "1," * 2_000 + "]", "[1, 2.5, 'off', true]", "1_000_000_000_000_000_000_000", "9223372036854775808",
)  # fmt: skip

KEYS = (
    "learning_rate", "batch_size", "clip_norm", "'model.n_lf'", "'model.eps_lf'", "'training.warmup_steps'", "horizon",
    "horizon_epochs", "accumulation_steps", "trials", "repeats", "precision", "timeout_seconds", "seed", "grid_levels",
    "name", "description", "dataset", "fallback", "latent_dim", "says", "tolerance", "''", "'\\u001b'",
)  # fmt: skip

SECTIONS = (
    "search_space", "sampler", "budget", "training", "model", "data", "outcome", "[claims]", "claims", "nonsense",
    "'a.b'",
)  # fmt: skip


def mutations(text: str, count: int, *, seed: int) -> Iterator[bytes]:
    """So many files, each with one to four mutations of a good one."""
    generator = random.Random(seed)
    for _ in range(count):
        mutated = text
        for _ in range(generator.randint(1, 4)):
            mutated = generator.choice(_MUTATIONS)(generator, mutated)
        content = mutated.encode("utf-8", errors="surrogatepass")
        yield _damage_bytes(generator, content) if generator.random() < 0.15 else content


def _of_a_line(change: Callable[[random.Random, str], str]) -> _Mutation:
    def mutate(generator: random.Random, text: str) -> str:
        lines = text.split("\n")
        place = generator.randrange(len(lines))
        lines[place] = change(generator, lines[place])
        return "\n".join(lines)

    return mutate


def _replace_value(generator: random.Random, line: str) -> str:
    key, equals, _ = line.partition("=")
    return f"{key}{equals} {generator.choice(HOSTILE_VALUES)}" if equals else line


def _quote_hostile_text(generator: random.Random, line: str) -> str:
    key, equals, _ = line.partition("=")
    text = generator.choice(HOSTILE_TEXTS)
    escaped = "".join(f"\\U{ord(letter):08x}" if generator.random() < 0.7 else letter for letter in text[:2_000])
    return f'{key}{equals} "{escaped}"' if equals else f'"{escaped}" = 1'


def _insert_raw_text(generator: random.Random, line: str) -> str:
    place = generator.randint(0, len(line))
    return line[:place] + generator.choice(HOSTILE_TEXTS) + line[place:]


def _add_key(generator: random.Random, line: str) -> str:
    return f"{line}\n{generator.choice(KEYS)} = {generator.choice(HOSTILE_VALUES)}"


def _add_section(generator: random.Random, line: str) -> str:
    return f"{line}\n[{generator.choice(SECTIONS)}]"


def _nest(generator: random.Random, line: str) -> str:
    depth = generator.choice((5, 40, 500, 3_000))
    kind = generator.randrange(4)
    if kind == 0:
        return f"{line}\nx = {'[' * depth}{']' * depth}"
    if kind == 1:
        return f"{line}\nx = {'{a=' * depth}1{'}' * depth}"
    if kind == 2:
        return f"{line}\n{'.'.join(['a'] * min(depth, 500))} = 1"
    return f"{line}\nx = {'[' * depth}"


def _drop(generator: random.Random, line: str) -> str:
    return "" if generator.random() < 0.5 else line[: generator.randint(0, len(line))]


def _swap_letter(generator: random.Random, line: str) -> str:
    if not line:
        return line
    place = generator.randrange(len(line))
    return (
        line[:place] + chr(generator.choice((0, 10, 27, 34, 39, 44, 61, 91, 93, 123, 127, 0x202E))) + line[place + 1 :]
    )


def _many_keys(generator: random.Random, line: str) -> str:
    return "\n".join([line, *(f"k{number} = 1" for number in range(generator.choice((3, 50, 2_000))))])


def _damage_bytes(generator: random.Random, content: bytes) -> bytes:
    kind = generator.randrange(4)
    if kind == 0:
        return b"\xef\xbb\xbf" + content
    if kind == 1:
        return content.decode("utf-8", errors="replace").encode("utf-16")
    if kind == 2:
        return content[: generator.randint(0, len(content))]
    place = generator.randint(0, len(content))
    return content[:place] + generator.randbytes(5) + content[place:]


_MUTATIONS: tuple[_Mutation, ...] = tuple(
    _of_a_line(change)
    for change in (
        _replace_value, _replace_value, _quote_hostile_text, _insert_raw_text, _add_key, _add_key, _add_section, _nest,
        _drop, _swap_letter, _many_keys,
    )
)  # fmt: skip
