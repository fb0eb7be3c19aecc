# A server, or a worker: 'docker build -t skyloom .', then 'docker run -p 8000:8000 skyloom'.
# On a machine with an NVIDIA GPU: 'docker build --build-arg TORCH=gpu -t skyloom .'
#
# PyAV's wheel carries FFmpeg with x264, which is GPL: who passes an image on passes that on too.
FROM python:3.11-slim

ARG TORCH=cpu
ENV XDG_CONFIG_HOME=/data/config
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY skyloom ./skyloom
RUN if [ "$TORCH" = cpu ]; then \
        pip install "$(grep '^torch==' constraints.txt)" \
            --index-url https://download.pytorch.org/whl/cpu; \
    fi \
    && pip install -c constraints.txt '.[serve,s3]'

# Nothing runs as root, and nothing but /data is written to.
RUN useradd --create-home --uid 10001 skyloom && mkdir /data && chown skyloom /data
USER skyloom
WORKDIR /data
VOLUME /data
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health')"]
ENTRYPOINT ["skyloom"]
# Beyond this machine a server asks for keys: 'docker run ... skyloom keys add NAME' first.
CMD ["serve", "--host", "0.0.0.0"]
