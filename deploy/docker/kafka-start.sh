#!/bin/bash
# Starts one broker on which nobody is anonymous: SCRAM for clients, rules for everything, no topic made by accident.
# KAFKA_ADMIN_PASSWORD and one KAFKA_PASSWORD_<USER> a user (service-cases: KAFKA_PASSWORD_SERVICE_CASES); users are
# made on the first start, an empty password makes none. Passwords: letters and digits.
set -euo pipefail
umask 077
: "${KAFKA_ADMIN_PASSWORD:?}"
readonly DATA=/var/lib/kafka/data CONFIG=/tmp/kafka.properties BIN=/opt/kafka/bin
readonly PLAIN='org.apache.kafka.common.security.plain.PlainLoginModule required'
readonly SCRAM='org.apache.kafka.common.security.scram.ScramLoginModule required'
readonly WHO="username=\"admin\" password=\"${KAFKA_ADMIN_PASSWORD}\""

cat > "$CONFIG" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093
listeners=CLIENTS://:9092,CONTROLLER://localhost:9093
advertised.listeners=CLIENTS://kafka:9092
listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENTS
sasl.enabled.mechanisms=SCRAM-SHA-256
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-256
sasl.mechanism.controller.protocol=PLAIN
listener.name.clients.scram-sha-256.sasl.jaas.config=${SCRAM} ${WHO};
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config=${PLAIN} ${WHO} user_admin="${KAFKA_ADMIN_PASSWORD}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin
allow.everyone.if.no.acl.found=false
auto.create.topics.enable=false
log.dirs=${DATA}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=500
PROPERTIES

if [[ ! -f "$DATA/meta.properties" ]]; then
  users=(--add-scram "SCRAM-SHA-256=[name=admin,password=${KAFKA_ADMIN_PASSWORD}]")
  for variable in "${!KAFKA_PASSWORD_@}"; do
    user=${variable#KAFKA_PASSWORD_}
    user=${user,,}
    [[ -z "${!variable}" ]] || users+=(--add-scram "SCRAM-SHA-256=[name=${user//_/-},password=${!variable}]")
  done
  "$BIN/kafka-storage.sh" format --cluster-id "$("$BIN/kafka-storage.sh" random-uuid)" --config "$CONFIG" "${users[@]}"
fi
exec "$BIN/kafka-server-start.sh" "$CONFIG"
