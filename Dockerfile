# Cost Rhythm. Built and started by docker-compose.yml; by hand: docker build -t cost-rhythm .
FROM rust:1.95.0-bookworm AS builder

# The image brings this toolchain; rust-toolchain.toml would make rustup fetch the lint tools too.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake pkg-config libssl-dev libcurl4-openssl-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /source
COPY . .
# The compiled crates stay in build caches between builds, so the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin cost-rhythm \
    && cp target/release/cost-rhythm /usr/local/bin/cost-rhythm


FROM debian:bookworm-slim

# libssl3, zlib1g: Kafka over TLS and compression. curl: the health check.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 cost-rhythm \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/cost-rhythm --no-create-home --shell /usr/sbin/nologin cost-rhythm \
    && install --directory --owner=cost-rhythm --group=cost-rhythm --mode=0750 /var/lib/cost-rhythm

COPY --from=builder /usr/local/bin/cost-rhythm /usr/local/bin/cost-rhythm
COPY docker/cost-rhythm.toml /etc/cost-rhythm/cost-rhythm.toml
# Beside the configuration, because its paths are relative to it. Mount your own over them.
COPY prices /etc/cost-rhythm/prices
COPY budgets /etc/cost-rhythm/budgets
COPY LICENSE /usr/share/doc/cost-rhythm/LICENSE

USER 10001:10001
WORKDIR /var/lib/cost-rhythm
VOLUME ["/var/lib/cost-rhythm"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["curl", "--fail", "--silent", "--show-error", "--max-time", "4", "--output", "/dev/null", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["cost-rhythm"]
CMD ["run", "--config", "/etc/cost-rhythm/cost-rhythm.toml"]
