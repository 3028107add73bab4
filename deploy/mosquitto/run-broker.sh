#!/bin/sh
# Runs mosquitto where no service manager watches its files, for example in a container, and has it read the revocation
# list when that changes. Give the container the limit of open files of limits.conf (ulimits: nofile).
set -eu
folder=/etc/mosquitto/biotrakr
mosquitto -c "$folder/mosquitto.conf" &
broker=$!
trap 'kill -TERM "$broker"' TERM INT
stamp() { stat -c %Y.%i "$folder/gateways.crl" 2>/dev/null || echo none; }
last=$(stamp)
while kill -0 "$broker" 2>/dev/null; do
  sleep 2 & wait $! || true
  now=$(stamp)
  if [ "$now" != "$last" ]; then
    last=$now
    kill -HUP "$broker" 2>/dev/null || true
  fi
done
wait "$broker"
