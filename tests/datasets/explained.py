"""Programs whose label cannot be confirmed, each with its reason; found by running them."""

from __future__ import annotations

from tests.datasets.programs import Labelled

_COUNTER = "returns a dict of a class of collections, and only builtin values are compared"
_BOOST = "needs Boost (boost/any.hpp), which is no part of the toolchain"
_OPENSSL = "needs OpenSSL (openssl/md5.h), which no program is linked with"
_BRACE = "the body of decode_cyclic is there one and a half times: it lacks a brace"
_JS_MD5 = "needs the package js-md5, which is no part of the toolchain"
_JS_COMMA = "returns (z, true), which is `true` alone in JavaScript, where its tests ask for a pair"
_RUST_MD5 = "needs the crate md5, which is no part of the toolchain"
_TESTS_LEFT_OUT = "the data keep 20 of its 29 tests, and it passes these"

EXPLAINED: dict[str, str] = {
    "MBPP/40#canonical": _COUNTER,
    "MBPP/88#canonical": _COUNTER,
    "MBPP/653#canonical": _COUNTER,
    "MBPP/902#canonical": _COUNTER,
    "HumanEvalX/CPP/22#canonical": _BOOST,
    "HumanEvalX/CPP/137#canonical": _BOOST,
    "HumanEvalX/CPP/38#canonical": _BRACE,
    "HumanEvalX/CPP/162#canonical": _OPENSSL,
    "HumanEvalX/JavaScript/112#canonical": _JS_COMMA,
    "HumanEvalX/JavaScript/162#canonical": _JS_MD5,
    "HumanEvalX/Rust/162#canonical": _RUST_MD5,
    "HumanEvalPack/Rust/162#canonical": _RUST_MD5,
    "HumanEvalPack/CPP/22#canonical": _BOOST,
    "HumanEvalPack/CPP/137#canonical": _BOOST,
    "HumanEvalPack/CPP/38#canonical": _BRACE,
    "HumanEvalPack/CPP/162#canonical": _OPENSSL,
    "HumanEvalPack/JavaScript/162#canonical": _JS_MD5,
    "po-2018/final/teleportgang#partially_accepted/par_100.c": _TESTS_LEFT_OUT,
}


def reason_of(item: Labelled) -> str | None:
    """Why the verdict on a program differs from its label; None where it must not."""
    return EXPLAINED.get(item.id)
