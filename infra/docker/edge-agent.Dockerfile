# syntax=docker/dockerfile:1
#
# The edge agent for linux/arm64 and linux/amd64:
#
#   docker buildx build --platform linux/arm64,linux/amd64 -f infra/docker/edge-agent.Dockerfile -t sightline-edge-agent .
#
#   docker run --init=false --read-only --tmpfs /tmp -v sightline:/var/lib/sightline \
#     -v /etc/sightline:/etc/sightline:ro --device /dev/video0 sightline-edge-agent

ARG NODE_IMAGE=docker.io/library/node:22-bookworm-slim

# Compiled once, on the machine that builds: JavaScript is the same everywhere.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
WORKDIR /build
COPY . .
RUN npm ci --no-audit --no-fund && npx tsc -b apps/edge-agent

# Native modules are those of the machine that runs.
FROM ${NODE_IMAGE} AS dependencies
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
COPY apps/edge-agent/package.json apps/edge-agent/
COPY --parents libs/*/package.json ./
RUN npm ci --no-audit --no-fund --omit=dev --ignore-scripts --workspace @sightline/edge-agent

FROM ${NODE_IMAGE}
# FFmpeg reads the cameras, tini passes signals on and reaps, setpriv (util-linux) ends FFmpeg with the agent.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg tini util-linux \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/sightline
COPY --from=dependencies /build/node_modules node_modules
COPY --from=build /build/package.json ./
COPY --from=build --parents /build/./libs/*/package.json /build/./libs/*/dist ./
COPY --from=build --parents /build/./apps/edge-agent/package.json /build/./apps/edge-agent/dist ./
RUN ln -s /opt/sightline/apps/edge-agent/dist/main.js /usr/local/bin/sightline-edge-agent \
  && chmod +x apps/edge-agent/dist/main.js \
  && install -d -o node -g node -m 0700 /var/lib/sightline
ENV NODE_ENV=production \
  MALLOC_ARENA_MAX=2 \
  MALLOC_MMAP_THRESHOLD_=262144 \
  SIGHTLINE_EDGE_CONFIG=/etc/sightline/edge-agent.json \
  SIGHTLINE_EDGE_DATA_DIRECTORY=/var/lib/sightline/edge-agent \
  SIGHTLINE_EDGE_LOCAL_API_SOCKET=/var/lib/sightline/edge-agent.sock
USER node
VOLUME /var/lib/sightline
ENTRYPOINT ["/usr/bin/tini", "--", "sightline-edge-agent"]
CMD ["run"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=180s --retries=3 \
  CMD ["node", "/opt/sightline/apps/edge-agent/dist/main.js", "health"]
