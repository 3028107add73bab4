# The centre, `biotrakr-cloud`: migrate, ingest, serve, enroll. Built by `docker compose build`.
ARG NODE_IMAGE=node:24.11.1-trixie-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
ENV CHECKPOINT_DISABLE=1
COPY . .
# Install scripts stay off: nothing of the centre is compiled. The generated database client is made by the one command.
RUN npm ci --ignore-scripts --no-audit --no-fund \
 && npm run db:generate \
 && npm run build \
 && npm ci --ignore-scripts --no-audit --no-fund --omit=dev --workspace @biotrakr/cloud --workspace @biotrakr/shared

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
# For backups: pg_dump and pg_restore of the version of the server that docker-compose.yml names (Debian 13 has 17).
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-client-17 \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --system --gid 10001 biotrakr \
 && useradd --system --uid 10001 --gid biotrakr --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin biotrakr
WORKDIR /opt/biotrakr
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/shared/package.json ./shared/
COPY --from=build /build/cloud/package.json ./cloud/
COPY --from=build /build/cloud/bin ./cloud/bin
COPY --from=build /build/cloud/dist ./cloud/dist
COPY --from=build /build/cloud/web ./cloud/web
COPY --from=build /build/cloud/prisma/migrations ./cloud/prisma/migrations
USER 10001:10001
ENTRYPOINT ["node", "/opt/biotrakr/cloud/bin/biotrakr-cloud.mjs"]
CMD ["--help"]
