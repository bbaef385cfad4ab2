# One recipe for every Python application: docker build --build-arg APP=flask --build-arg SERVERS="gunicorn-sync waitress" .
# Pins come before code, so that an edit of the code rebuilds the last layers only.
FROM python:3.13-slim-trixie AS build
COPY requirements/uv.txt /build/uv.txt
RUN python -m venv /build/uv && /build/uv/bin/pip install -q --disable-pip-version-check --require-hashes -r /build/uv.txt
ARG APP
ARG SERVERS
COPY apps/${APP}/requirements.txt /build/app.txt
COPY deploy/servers /build/servers
# The same as bench/environments.py does: the application's pins and those of each server that fits, by hash.
RUN /build/uv/bin/uv venv -q --python "$(command -v python3.13)" /venv \
 && for name in ${SERVERS}; do [ -f "/build/servers/$name/requirements.txt" ] && printf '%s\n%s\n' -r "/build/servers/$name/requirements.txt"; done > /build/files; \
    VIRTUAL_ENV=/venv xargs /build/uv/bin/uv pip install -q --no-cache --compile-bytecode --require-hashes -r /build/app.txt < /build/files
COPY bench/static.py /build/static.py
RUN python /build/static.py /static

FROM python:3.13-slim-trixie
RUN useradd --system --no-create-home --uid 10001 forkloop
COPY --from=build /static /static
COPY --from=build /venv /venv
COPY deploy/runners /runners
ARG APP
COPY apps/${APP} /app
WORKDIR /app
USER 10001:10001
