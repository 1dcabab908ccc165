# The page and the HTTP API on port 7860, without a GPU:  docker compose up
FROM python:3.12-slim
# PyTorch's build without CUDA is a tenth of the size of the usual one.
RUN pip install --no-cache-dir "torch>=2.8,<2.14" --index-url https://download.pytorch.org/whl/cpu
COPY . /src
RUN pip install --no-cache-dir "/src[app,lm]" && rm -rf /src \
    && useradd --create-home recog && install -d -o recog /var/cache/recog
USER recog
# What numba compiles when the bundles are first used is compiled now: half a minute that no request has to wait for.
ENV NUMBA_CACHE_DIR=/var/cache/recog
RUN python -c "from pipelines.web import handwriting, speech; speech.load('speech-en'); handwriting.load('handwriting-latin')"
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/health')"]
ENTRYPOINT ["recog", "serve", "--host", "0.0.0.0", "--port", "7860"]
