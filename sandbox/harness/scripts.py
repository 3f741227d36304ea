"""PHP, Ruby and Perl: tests appended to the program, and a record when they have ended."""

from __future__ import annotations

import re

from sandbox.harness.unit import Unit
from sandbox.types import Program

_PHP_OPEN = re.compile(r"\A\s*<\?php\b", re.IGNORECASE)
_PHP_CLOSE = re.compile(r"\?>\s*\Z")
# Where PHP could be told, in the program, to make nothing of a failed assert().
_PHP_ARMED = (
    r"; \ini_set('zend.assertions', '1'); \ini_set('assert.active', '1'); \ini_set('assert.exception', '1');"
)
_PERL_END = re.compile(r"^__(?:END|DATA)__\s*$", re.MULTILINE)

_PHP_RECORD = "\n;file_put_contents('php://fd/4', 'done');\n"
_PERL_RECORD = "\n;{ open(my $record, '>&=', 4) or exit 3; print {$record} 'done'; close($record); }\n"
# Registered first and so run last: after the tests that test/unit runs at the exit.
_RUBY_PRELOAD = """\
at_exit do
  ended = defined?($verdict_ended) && $verdict_ended
  IO.for_fd(4, "w").write("done") if ended && ($!.nil? || ($!.is_a?(SystemExit) && $!.success?))
end
"""
_RUBY_END = "\n$verdict_ended = true\n"


def php_script(program: Program) -> Unit:
    """A program without an opening tag is code, not text to print."""
    return _php(program.source)


def php_asserts(program: Program) -> Unit:
    """Setup, program and tests as one script, whose asserts throw."""
    parts = (program.setup, program.source, _PHP_ARMED, program.tests)
    bodies = (_PHP_CLOSE.sub("", _PHP_OPEN.sub("", part)) for part in parts)
    return _php("<?php " + "\n".join(body for body in bodies if body.strip()) + _PHP_RECORD)


def _php(text: str) -> Unit:
    opened = text if "<?" in text else f"<?php {text}"
    return Unit({"main.php": opened}, {"sources": ("main.php",)})


def ruby_asserts(program: Program) -> Unit:
    """Setup, program and tests as one script."""
    text = _joined(program.setup, program.source, program.tests) + _RUBY_END
    words = {"sources": ("main.rb",), "preload": ("-r", "{box}/verdict.rb")}
    return Unit({"main.rb": text, "verdict.rb": _RUBY_PRELOAD}, words)


def perl_asserts(program: Program) -> Unit:
    """Setup, program and tests as one script; what stands below the program's __END__ is no code."""
    source = _PERL_END.split(program.source)[0]
    text = _joined(program.setup, source, program.tests) + _PERL_RECORD
    return Unit({"main.pl": text}, {"sources": ("main.pl",)})


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part.strip())
