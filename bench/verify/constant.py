"""Rules for the endpoints that need no input: /healthz, /plaintext, /json, /whoami, and for addresses that are none."""

from functools import partial

from bench.verify.judge import as_json, expect_body, expect_json, expect_status
from bench.verify.rule import NotCheckedError, Probe, Rule, require

BODIES = (
    ("healthz", b"ok"),
    ("plaintext", b"Hello, World!"),
    ("json", as_json({"message": "Hello, World!"})),
)


def _has_body(endpoint: str, body: bytes, probe: Probe) -> None:
    expect_body(probe.get(f"/{endpoint}"), body)


def _ignores_unknown(endpoint: str, body: bytes, probe: Probe) -> None:
    expect_body(probe.get(f"/{endpoint}?other=7&%FF=%00"), body)


WHOAMI: dict[str, tuple[type, ...]] = {
    "framework": (str,),
    "framework_version": (str,),
    "server": (str,),
    "python": (str, type(None)),
    "implementation": (str,),
    "loop": (str, type(None)),
    "pid": (int,),
    "data": (str,),
}


def _identifies_itself(probe: Probe) -> None:
    answer = probe.get("/whoami")
    expect_status(answer, 200)
    value = expect_json(answer)
    require(isinstance(value, dict) and list(value) == list(WHOAMI), answer.body)
    assert isinstance(value, dict)
    for key, types in WHOAMI.items():
        item = value[key]
        filled = item > 0 if isinstance(item, int) else item != ""
        require(type(item) in types and filled, f"{key}: {item!r}")


def _names_its_data(probe: Probe) -> None:
    if probe.data is None:
        raise NotCheckedError("needs the label of a manifest: no application's was given")
    answer = probe.get("/whoami")
    expect_status(answer, 200)
    value = expect_json(answer)
    data = value.get("data") if isinstance(value, dict) else None
    require(data == probe.data, f"{data!r}, in app.toml: {probe.data!r}")


UNKNOWN = ("/", "/nope", "/json/", "/plaintext/more", "/JSON", "/static")


def _unknown(method: str, target: str, allowed: tuple[int, ...], probe: Probe) -> None:
    expect_status(probe.ask_early(method, target, body=b"x=1" if method == "POST" else None), *allowed)


def _missing(method: str, target: str, allowed: tuple[int, ...] = (404,)) -> Rule:
    return Rule(
        endpoint="*",
        name="404",
        expected=f"{method} {target}: status {' or '.join(map(str, allowed))}",
        check=partial(_unknown, method, target, allowed),
    )


RULES: tuple[Rule, ...] = (
    *(
        Rule(
            endpoint=endpoint,
            name="body",
            expected=f"GET /{endpoint}: the body {body.decode()}",
            check=partial(_has_body, endpoint, body),
        )
        for endpoint, body in BODIES
    ),
    *(
        Rule(
            endpoint=endpoint,
            name="unknown-parameter",
            expected=f"GET /{endpoint}?other=7&%FF=%00: the same answer as without",
            check=partial(_ignores_unknown, endpoint, body),
        )
        for endpoint, body in BODIES
    ),
    Rule(
        endpoint="whoami",
        name="body",
        expected=f"GET /whoami: an object of {', '.join(WHOAMI)}, in this order; python and loop may be null",
        check=_identifies_itself,
    ),
    Rule(
        endpoint="whoami",
        name="data",
        expected="GET /whoami: data as app.toml, or its variant, labels it",
        check=_names_its_data,
    ),
    *(_missing("GET", target) for target in UNKNOWN),
    _missing("POST", "/nope"),
    # What only an experiment switches on is no part of a deployment that is verified, or measured by the main job.
    *(
        _missing(method, f"/fault/{name}")
        for name in ("raise", "exit", "segv", "hang", "leak", "burn")
        for method in ("GET", "POST")
    ),
    _missing("GET", "/fanout?n=1&ms=0"),
    _missing("GET", "/async/plaintext"),
    _missing("POST", "/report?rounds=1"),
    # A front may refuse what is no UTF-8, or a NUL, before the application sees it.
    _missing("GET", "/%FF%FE", (404, 400)),
    _missing("GET", "/nope%00", (404, 400)),
)
