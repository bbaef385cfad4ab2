# The suite itself: the load generator, and what fills the database.
FROM python:3.13-slim-trixie AS build
COPY requirements/uv.txt /build/uv.txt
RUN python -m venv /build/uv && /build/uv/bin/pip install -q --disable-pip-version-check --require-hashes -r /build/uv.txt
COPY requirements/tool.txt /build/tool.txt
RUN /build/uv/bin/uv venv -q --python "$(command -v python3.13)" /venv \
 && VIRTUAL_ENV=/venv /build/uv/bin/uv pip install -q --no-cache --compile-bytecode --require-hashes -r /build/tool.txt

FROM python:3.13-slim-trixie
RUN useradd --system --no-create-home --uid 10001 forkloop
COPY --from=build /venv /venv
COPY bench /suite/bench
COPY loadtests /suite/loadtests
WORKDIR /suite
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/suite PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
