# The command line for CI and clusters: docker build -t commscope . && docker run --rm -v "$PWD":/work commscope analyze runs/mine
FROM python:3.12-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml constraints.txt README.md LICENSE /src/
COPY native /src/native
COPY commscope /src/commscope
COPY workloads /src/workloads
COPY dashboard /src/dashboard
RUN pip install --no-cache-dir --constraint /src/constraints.txt '/src[dashboard,cluster,agents]' && rm -rf /src
WORKDIR /work
ENTRYPOINT ["commscope"]
CMD ["--help"]
