# ELBO Room in a container, without a GPU unless asked for:
#
#     docker build -t elbo-room .
#     docker run --rm -p 8501:8501 -v elbo-room:/data elbo-room
#
# With CUDA: --build-arg TORCH=cu128 to the build, --gpus all to the run. With what an engine on Ray needs on its own
# machines: --build-arg REQUIREMENTS=requirements-ray.txt.
FROM python:3.12-slim
ARG TORCH=cpu
ARG REQUIREMENTS=requirements.txt

RUN useradd --create-home --uid 1000 room && install -d -o room /data
WORKDIR /app
COPY requirements.txt requirements-ray.txt ./
# torch first, from PyTorch's own index: plain `torch` would bring CUDA along.
RUN grep -E '^torch(vision)?[<>=]' requirements.txt > torch.txt \
    && pip install --no-cache-dir --index-url https://download.pytorch.org/whl/$TORCH -r torch.txt \
    && pip install --no-cache-dir -r requirements.txt -r $REQUIREMENTS
COPY . .

USER room
# Runs, settings of visitors and downloaded images outlive the container in /data.
ENV ELBO_ROOM_RUNS=/data/runs ELBO_ROOM_DATA=/data/datasets STREAMLIT_SERVER_ADDRESS=0.0.0.0 STREAMLIT_SERVER_HEADLESS=true
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import os, urllib.request as ask; below = os.environ.get('STREAMLIT_SERVER_BASE_URL_PATH', '').strip('/'); ask.urlopen('http://127.0.0.1:8501' + ('/' + below if below else '') + '/_stcore/health', timeout=4)"]
# The demos that ship, where they are not there yet: the first visitor never finds an empty gallery.
CMD ["sh", "-c", "mkdir -p $ELBO_ROOM_RUNS && for demo in checkpoints/demo-*; do [ -e $ELBO_ROOM_RUNS/${demo##*/} ] || cp -r $demo $ELBO_ROOM_RUNS; done; exec streamlit run app.py"]
