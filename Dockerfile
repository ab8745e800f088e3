# Build: docker build -t lethe --build-arg VERSION=$(git describe --always) .
# Run:   docker run --env-file .env lethe api | worker | migrate
ARG NODE_IMAGE=node:24.18.1-bookworm-slim@sha256:235600a8101ab264e117b1768e925532262668dc9b581ef1dd7d96ced463b8e7

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
COPY scripts/patch-postgres.mjs scripts/
# No package's own scripts run, only ours: the driver's patch fails the build when it no longer applies.
# Optional too: it is TypeScript, which a dependency may use, and a native accelerator that is built by a script.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && node scripts/patch-postgres.mjs

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json tsconfig.build.json ./
COPY scripts scripts
RUN npm ci --ignore-scripts --no-audit --no-fund && node scripts/patch-postgres.mjs
COPY src src
RUN npm run build

FROM ${NODE_IMAGE} AS production
ARG VERSION=unknown
LABEL org.opencontainers.image.title="lethe" \
      org.opencontainers.image.description="Erases user accounts: durable, exact, and gentle to the database it works in." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
WORKDIR /app
# The healthcheck below asks this port, on the API as well as on workers.
ENV NODE_ENV=production \
    LETHE_METRICS_PORT=9090
# A volume that is mounted here takes over the owner: mails in LETHE_MAIL=outbox are written by this user.
RUN mkdir -m 700 outbox && chown node:node outbox
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY drizzle drizzle
# The sample's catalog; mount yours over it, or set LETHE_CATALOG.
COPY package.json LICENSE catalog.yaml ./
USER node
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# Says whether this process can do its work: an API without Redis can, a worker cannot. Without loading Lethe once more.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.LETHE_METRICS_PORT || process.env.PORT || 8080}/readyz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/lethe.js"]
CMD ["api"]
