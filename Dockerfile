# An image that runs workers: manyhands, the clients of both networked stores and of S3, and the tasks of examples/fleet.
# A program of your own takes the last stage as its model; docs/guide/deployment.md has it in full.
#
#   docker build --tag manyhands .
#   docker run --env MANYHANDS_URL=postgres://... manyhands
#
# There is no HEALTHCHECK: a worker has no door to knock at. Its lease in the store is its sign of life, renewed by a thread of its
# own, and a worker whose store is lost for good ends by itself. Look at a fleet with `manyhands doctor`.

FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Without scripts: this stage has Node already, and need not fetch the one that the project brings.
RUN npm install --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.ts scripts/
COPY src src
RUN node scripts/build.ts

# What a user of the package has installed, in the versions of the lock file. The clients of the servers are optional peers, which
# npm leaves out; an image that shall serve every store wants them, so here they are peers like any other.
FROM node:24-slim AS modules
WORKDIR /modules
COPY package.json package-lock.json ./
RUN npm pkg delete devDependencies peerDependenciesMeta && npm install --ignore-scripts --no-audit --no-fund

FROM node:24-slim
# The first process of a container must pass signals on and bury orphans. Node does neither; tini does.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=modules /modules/node_modules node_modules
COPY --from=build /build/dist dist
COPY examples/fleet examples/fleet
RUN ln -s /app/dist/cli/main.js /usr/local/bin/manyhands
# The user "node" by number, so that Kubernetes can see that it is not root. Nothing here is writable for it, nor need be.
USER 1000:1000
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["manyhands", "worker", "examples/fleet/tasks.ts"]
