# A server, or a worker: 'docker build -t skyloom .', then 'docker run -p 8000:8000 skyloom'; with
# '--gpus all' where there is an NVIDIA GPU.
#
# PyTorch comes as pip finds it by itself, with what a GPU needs: some GB that a CPU does without.
# An index that has it for CPUs alone (pytorch.org names it) makes the image smaller:
# 'docker build --build-arg TORCH_INDEX=URL -t skyloom .'
#
# PyAV's wheel carries FFmpeg with x264, which is GPL: who passes an image on passes that on too.
FROM python:3.11-slim

ARG TORCH_INDEX
ENV XDG_CONFIG_HOME=/data/config
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY skyloom ./skyloom
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' constraints.txt)" \
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
