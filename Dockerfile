# syntax=docker/dockerfile:1
# One image for web, worker and beat; PostgreSQL and the broker are services of their own (docker-compose.yml).
FROM python:3.11-slim-bookworm AS dependencies
WORKDIR /app
RUN python -m venv /venv
COPY requirements.lock .
RUN /venv/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock

FROM python:3.11-slim-bookworm
# The interpreter is the environment: nothing is installed at start. DATABASE_URL is given, so nothing is embedded.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FINOPS_BOOTSTRAP=0 \
    FINOPS_DATA_DIR=/data
RUN useradd --system --uid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin finops
WORKDIR /app
COPY --from=dependencies /venv /venv
COPY . .
RUN python -m compileall -q /app
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=40s --retries=4 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/healthz'); exit(c.getresponse().status >= 400)"]
CMD ["python", "manage.py", "web", "--host", "0.0.0.0", "--processes", "2"]
