# One image for every process of an installation; which one it is, the command says (see docker-compose.yml).
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
COPY requirements.lock ./
RUN pip install --disable-pip-version-check --require-hashes -r requirements.lock
COPY . ./
RUN useradd --system --home-dir /app lastgood && install -d -o lastgood /app/var
USER lastgood
VOLUME /app/var
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000
CMD ["python", "-m", "workbench.processes", "server"]
