# The three services, one target each. From the root of the repository:
#
#   docker build --target command-service -t inventory/command-service .
#
# kafka/compose.yaml builds and runs all three with `--profile trio`. What is added to the base is one program; it runs
# as a user without rights, and needs no writable file but the listener's database.

FROM rust:1.95.0-slim-bookworm AS build
# librdkafka and SQLite are built from their sources.
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Told by /version: docker build --build-arg INVENTORY_COMMIT=$(git rev-parse HEAD)
ARG INVENTORY_COMMIT
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p command-service -p listener-service -p query-service --bins \
    && mkdir /out \
    && cp target/release/command-service target/release/listener-service target/release/query-service /out/

FROM debian:12.12-slim AS service
RUN useradd --system --uid 10001 --user-group --home-dir /nonexistent inventory \
    && install -d -o inventory -g inventory /data
COPY kafka/healthy /usr/local/bin/healthy
USER 10001:10001
WORKDIR /data
ENV HOST=0.0.0.0

FROM service AS command-service
COPY --from=build /out/command-service /usr/local/bin/
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s CMD ["healthy", "8080"]
ENTRYPOINT ["command-service"]

FROM service AS listener-service
COPY --from=build /out/listener-service /usr/local/bin/
VOLUME /data
ENV SQLITE_PATH=/data/inventory.db
EXPOSE 8082
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s CMD ["healthy", "8082"]
ENTRYPOINT ["listener-service"]

FROM service AS query-service
COPY --from=build /out/query-service /usr/local/bin/
EXPOSE 8081
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s CMD ["healthy", "8081"]
ENTRYPOINT ["query-service"]
