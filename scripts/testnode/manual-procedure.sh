#!/usr/bin/env bash
# What an operator's own script does inside a test node with openssl and ctr, step by step after the manual procedure;
# what kuberescue is measured against. No kubeadm and no crictl: Debian has neither.
#
#   scripts/testnode/run expired-all scripts/testnode/manual-procedure.sh
#
# Every leaf gets a new key and a new certificate with the subject and the extensions of the old one. Prints the
# seconds from the start to each step, and at last to a Ready node and to all ports answering with what is on disk.
set -euo pipefail
[ -d /opt/testnode ] || { echo "error: only inside a test node" >&2; exit 2; }
PKI=/etc/kubernetes/pki
CLIENT=/var/lib/kubelet/pki/kubelet-client-current.pem
STARTED=$(date +%s%N)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077

said() { printf '%6.2f s  %s\n' "$((($(date +%s%N) - STARTED) / 10000000))e-2" "$1"; }

# reissue CERTIFICATE KEY CA: new key and certificate in place of these two files; a chain or a key in the same file goes.
reissue() {
  local certificate=$1 key=$2 ca=$3
  case $(openssl x509 -in "$certificate" -noout -text) in
    *id-ecPublicKey*) openssl ecparam -name prime256v1 -genkey -noout -out "$work/key" ;;
    *) openssl genrsa -traditional -out "$work/key" 2048 2>/dev/null ;;
  esac
  openssl x509 -x509toreq -in "$certificate" -signkey "$work/key" -copy_extensions copyall -out "$work/csr" 2>/dev/null
  openssl x509 -req -in "$work/csr" -CA "$ca.crt" -CAkey "$ca.key" -days 365 -set_serial "0x$(openssl rand -hex 8)" \
    -copy_extensions copyall -out "$work/crt" 2>/dev/null
  cat "$work/crt" >"$certificate"
  cat "$work/key" >"$key"
}

# reissue_inside KUBECONFIG
reissue_inside() {
  local field
  sed -n 's/^ *client-certificate-data: *//p' "$1" | base64 -d >"$work/inside.crt"
  reissue "$work/inside.crt" "$work/inside.key" "$PKI/ca"
  for field in certificate:crt key:key; do
    sed -i "s|^\( *client-${field%:*}-data: \).*|\1$(base64 -w0 "$work/inside.${field#*:}")|" "$1"
  done
}

# The running container of a static pod; substrings would find etcd-defrag too.
running() {
  local id
  for id in $(ctr -n k8s.io containers ls -q "labels.\"io.kubernetes.container.name\"==$1,labels.\"io.kubernetes.pod.namespace\"==kube-system"); do
    if ctr -n k8s.io tasks ls | grep -q "^$id .*RUNNING"; then echo "$id"; fi
  done
}

served() { openssl s_client -connect "127.0.0.1:$1" -cert "$PKI/$2.crt" -key "$PKI/$2.key" </dev/null 2>/dev/null | openssl x509 -noout -serial; }

tar -C / -czf "$work/../kubernetes-backup.tar.gz" etc/kubernetes
said "backed up"
for name in apiserver apiserver-kubelet-client; do reissue "$PKI/$name.crt" "$PKI/$name.key" "$PKI/ca"; done
for name in apiserver-etcd-client etcd/server etcd/peer etcd/healthcheck-client; do
  reissue "$PKI/$name.crt" "$PKI/$name.key" "$PKI/etcd/ca"
done
reissue "$PKI/front-proxy-client.crt" "$PKI/front-proxy-client.key" "$PKI/front-proxy-ca"
for name in admin super-admin controller-manager scheduler; do
  [ ! -e "/etc/kubernetes/$name.conf" ] || reissue_inside "/etc/kubernetes/$name.conf"
done
cp "$CLIENT" "$work/client.crt"
reissue "$work/client.crt" "$work/client.key" "$PKI/ca"
pem=/var/lib/kubelet/pki/kubelet-client-$(date +%Y-%m-%d-%H-%M-%S).pem
cat "$work/client.crt" "$work/client.key" >"$pem"
ln -sfn "$pem" "$CLIENT"
rm -f /var/lib/kubelet/pki/kubelet.{crt,key}
said "certificates issued"

if pid=$(pidof kubelet); then kill "$pid"; fi
while old=$pid && pid=$(pidof kubelet) && [ "$pid" = "$old" ]; do sleep 0.05; done
until curl --silent --fail http://127.0.0.1:10248/healthz >/dev/null 2>&1 ||
  { : </dev/tcp/127.0.0.1/10248; } 2>/dev/null; do sleep 0.1; done
said "kubelet restarted"
kubelet_restarted=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)

for name in kube-apiserver kube-scheduler kube-controller-manager etcd; do
  id=$(running "$name")
  [ -n "$id" ] || continue
  # Its certificate is read at start, and the kubelet may have started it since: then it has the new one.
  ctr -n k8s.io tasks kill --signal SIGTERM "$id" || continue
  until [ -n "$(running "$name")" ] && [ "$(running "$name")" != "$id" ]; do sleep 0.2; done
  said "$name restarted"
done

until kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes 2>/dev/null | grep -qw Ready; do sleep 0.2; done
said "kubectl get nodes: Ready"
# Ready may be 40 s old: that the kubelet talks with its new certificate its lease shows.
renewed() { kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-node-lease get lease "$(hostname)" -o jsonpath='{.spec.renewTime}' 2>/dev/null; }
until [[ "$(renewed)" > "$kubelet_restarted" ]]; do sleep 0.2; done
said "lease renewed by the new kubelet"
for port in "6443 apiserver apiserver-kubelet-client" "2379 etcd/server etcd/healthcheck-client"; do
  read -r number certificate client <<<"$port"
  until [ "$(served "$number" "$client")" = "$(openssl x509 -noout -serial -in "$PKI/$certificate.crt")" ]; do sleep 0.2; done
done
for number in 10250 10257 10259; do until [ -n "$(served "$number" apiserver-kubelet-client)" ]; do sleep 0.2; done; done
said "every port serves what is on disk"
