#!/usr/bin/env bash
# Makes the first inputs of the fuzz targets from testdata/: scripts/fuzz-seeds.sh CORPUS. What is there already stays.
set -euo pipefail
cd "$(dirname "$0")/.."
corpus=${1:?usage: scripts/fuzz-seeds.sh CORPUS}
nodes=$(mktemp -d)
trap 'rm -rf "$nodes"' EXIT

# put TARGET NAME: what is read is a seed of the target.
put() {
  mkdir -p "$corpus/$1"
  cat >"$corpus/$1/seed-$2"
}

# A part of an input: the mark that separates parts, a line, and what is read.
part() {
  printf '\xfe\xff%s\n' "$1"
  cat
}

# Protobuf: a field with text of up to 16383 bytes (its number, then the text), and one with a number below 128.
text() {
  local length=${#2}
  # shellcheck disable=SC2059
  if [ "$length" -lt 128 ]; then
    printf "\\x$(printf %02x $(($1 << 3 | 2)))\\x$(printf %02x "$length")"
  else
    printf "\\x$(printf %02x $(($1 << 3 | 2)))\\x$(printf %02x $((length & 127 | 128)))\\x$(printf %02x $((length >> 7)))"
  fi
  printf %s "$2"
}
number() {
  # shellcheck disable=SC2059
  printf "\\x$(printf %02x $(($1 << 3)))\\x$(printf %02x "$2")"
}

for archive in testdata/nodes/*.tar.gz; do
  name=$(basename "$archive" .tar.gz)
  mkdir "$nodes/$name"
  tar -xzf "$archive" -C "$nodes/$name"
done

for name in ecdsa-p256 rsa2048 v120-expired mixed; do
  root=$nodes/$name
  while IFS= read -r file; do
    inside=${file#"$root"}
    seed=$name${inside//\//-}
    case $inside in
      *.crt | *.pem)
        put pem "$seed" <"$file"
        put certificate "$seed" <"$file"
        sed -n '/BEGIN CERT/,/END CERT/p' "$file" | sed '/END/q' | grep -v -e '-----' | base64 -d 2>/dev/null |
          put certificate "$seed.der" || true
        ;;
      *.key | *.pub)
        put pem "$seed" <"$file"
        put key "$seed" <"$file"
        grep -v -e '-----' "$file" | base64 -d 2>/dev/null | put key "$seed.der" || true
        ;;
      *.conf)
        put kubeconfig "$seed" <"$file"
        put entries "$seed" <"$file"
        ;;
      */manifests/*) put manifest "$seed" <"$file" ;;
      */config.yaml | *.env) put kubelet_config "$seed" <"$file" ;;
    esac
    case $inside in
      */kubeadm.yaml) ;;
      *)
        part "f$inside" <"$file" | put inventory "$seed"
        { printf '\1\2\1\1' && part "f$inside" <"$file"; } | put archive_written "$seed"
        ;;
    esac
  done < <(find "$root" -type f | sort)
done

gzip -dc testdata/etcd/three-members.db.gz | put etcd_database three-members
# Values of a real API server, as they lie in its database: from each envelope on.
gzip -dc testdata/etcd/kubernetes-1.20-snapshot.db.gz | LC_ALL=C grep -abo $'k8s' | cut -d: -f1 | sed -n '1~97p' |
  while read -r at; do
    # What is cut off closes the pipe: no failure.
    { gzip -dc testdata/etcd/kubernetes-1.20-snapshot.db.gz | tail -c "+$((at + 1))" | head -c 2000 || true; } |
      put etcd_object "value-$at"
  done
printf '{"apiVersion":"v1","kind":"Secret","type":"Opaque","data":{"a":"eA=="},"metadata":{"name":"n","labels":{"l":"v"}}}' |
  put etcd_object json
printf '\xd9\xd9\xf7\xa2\x44kind\x49ConfigMap\x44data\xa1\x41a\x41b' | put etcd_object cbor
printf 'apiVersion: kubeadm.k8s.io/v1beta4\netcd:\n  local:\n    dataDir: /d\napiServer:\n  certSANs: [a]\ncertificateValidityPeriod: 8760h0m0s\n' |
  put etcd_object configuration
# Objects of a cluster, by their keys: protobuf without its envelope, and JSON.
ca=$(sed -n '/BEGIN CERT/,/END CERT/p' "$nodes/ecdsa-p256/etc/kubernetes/pki/ca.crt")
cluster=$(printf 'clusters:\n- cluster: {server: "https://192.168.10.11:6443", certificate-authority-data: %s}\n' "$(printf %s "$ca" | base64 -w0)")
bundle=$(printf %s "$ca" | base64 -w0)
text 2 "$(text 1 ca.crt && text 2 "$ca")" | part /registry/configmaps/default/kube-root-ca.crt | put etcd_cluster root-ca
text 2 "$(text 1 kubeconfig && text 2 "$cluster")" | part /registry/configmaps/kube-public/cluster-info | put etcd_cluster cluster-info
{ text 2 "$(text 1 client-ca-file && text 2 "$ca")" && text 2 "$(text 1 requestheader-client-ca-file && text 2 "$ca")"; } |
  part /registry/configmaps/kube-system/extension-apiserver-authentication | put etcd_cluster authentication
text 2 "$(text 1 ClusterConfiguration && text 2 "$(printf 'apiVersion: kubeadm.k8s.io/v1beta4\nencryptionAlgorithm: ECDSA-P384\ncertificateValidityPeriod: 17520h0m0s\napiServer:\n  certSANs: [a]\n')")" |
  part /registry/configmaps/kube-system/kubeadm-config | put etcd_cluster configuration
text 2 "$(text 1 tls.crt && text 2 "$ca")" | part /registry/secrets/a/b-ca | put etcd_cluster secret-ca
text 2 "$(text 1 value && text 2 "$cluster")" | part /registry/secrets/a/b-kubeconfig | put etcd_cluster secret-kubeconfig
text 2 "$(text 1 cp-1 && number 2 40 && text 4 "$(number 1 99 && number 2 1)")" |
  part /registry/leases/kube-node-lease/cp-1 | put etcd_cluster lease
text 2 "$(text 2 system:node:cp-1 && text 7 kubernetes.io/kubelet-serving)" |
  part /registry/certificatesigningrequests/csr-1 | put etcd_cluster request
text 2 "$(text 1 hook && text 2 "$(text 2 "$ca" && text 3 https://a)")" |
  part /registry/validatingwebhookconfigurations/a | put etcd_cluster webhook
printf '{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","spec":{"caBundle":"%s"}}' "$bundle" |
  part /registry/apiregistration.k8s.io/apiservices/v1.a | put etcd_cluster api-service
printf '{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{"conversion":{"webhook":{"clientConfig":{"url":"https://a","caBundle":"%s"}}}}}' "$bundle" |
  part /registry/apiextensions.k8s.io/customresourcedefinitions/a | put etcd_cluster definition
printf 'k8s:enc:aescbc:v1:key1:x' | part /registry/secrets/a/sealed-ca | put etcd_cluster encrypted
cat "$corpus"/etcd_cluster/seed-* | put etcd_cluster all
printf 'KUBELET_KUBEADM_ARGS="--node-ip=10.0.0.1 --rotate-server-certificates --initial-cluster=a=https://b:2380,c=d"\n' |
  put kubelet_config flags
printf 'runtime-endpoint: unix:///run/containerd/containerd.sock\ntimeout: 2\n' | put kubelet_config crictl
printf '{"current-context":"a","contexts":[{"name":"a","context":{"cluster":"c","user":"u"}}],"clusters":[{"name":"c","cluster":{"server":"https://x:1","certificate-authority-data":"QQ=="}}],"users":[{"name":"u","user":{"client-certificate-data":"QQ==","client-key-data":"Qg=="}}]}' |
  put kubeconfig json
printf 'current-context: a\ncontexts: [{name: a, context: &c {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: "https://x:1"}}]\nusers:\n- name: u\n  user:\n    client-certificate-data: "QQ=="\n    client-key-data: '"'Qg=='"' # key\n' |
  put kubeconfig flow
for name in json flow; do put entries "$name" <"$corpus/kubeconfig/seed-$name"; done
printf 'current-context: a\ncontexts:\n- {name: a, context: {cluster: c, user: u}}\nclusters:\n- name: c\n  cluster: {server: "https://x", tls-server-name: y, proxy-url: "http://p", insecure-skip-tls-verify: true, certificate-authority: ../ca.crt}\nusers:\n- name: u\n  user: {client-certificate: a.crt, client-key: /a.key, token: e30.e30.x, tokenFile: t}\n- name: v\n  user: {exec: {command: c, args: [a]}, auth-provider: {name: oidc}, username: n, password: p}\n' |
  put entries every-field
printf 'e30.eyJzdWIiOiJhIiwiZXhwIjoxNzk1NDczMDAwLCJuYmYiOjF9.c2ln' | put token whole
printf '{"sub":"system:serviceaccount:a:b","exp":1795473000.5,"nbf":-1e300,"aud":["x"]}' | put token payload
{ printf 'l/etc/kubernetes/pki/ca.crt\n' >/dev/null; printf ../../x | part l/etc/kubernetes/pki/ca.crt; } | put inventory link
{ part -/etc/kubernetes/pki/apiserver.crt </dev/null; part u/etc/kubernetes/admin.conf </dev/null; } | put inventory gone
{ printf '\0\0\0\0'; part d/etc </dev/null; printf /x | part l/etc/l; part u/etc/u </dev/null; } | put archive_written kinds

# Logs: the beginning of each real excerpt.
for file in testdata/logs/*.log; do
  head -c 8000 "$file" | put log "$(basename "$file")"
done

# Archives: a node's, small trees of GNU tar's three formats, a manifest.
small=$nodes/small
mkdir -p "$small/etc/kubernetes/$(printf 'd%.0s' {1..120})"
echo a >"$small/etc/a"
echo b >"$small/etc/kubernetes/$(printf 'd%.0s' {1..120})/b"
ln "$small/etc/a" "$small/etc/hard"
ln -s ../../x "$small/etc/link"
mkfifo "$small/etc/pipe"
for format in pax gnu ustar v7; do
  tar -C "$small" --format="$format" -cf "$nodes/$format.tar" . 2>/dev/null || true
  { printf '\1' && cat "$nodes/$format.tar"; } | put archive "$format"
done
{ printf '\0' && gzip -nc "$nodes/pax.tar"; } | put archive gzip
{ printf '\0' && cat testdata/nodes/ecdsa-p256.tar.gz; } | put archive node
{ printf '\2' && printf '{"format":1,"version":"1","created":"2026-11-23T00:00:00Z","host":"h","node":"n","command":"c","reason":"r","entries":[{"path":"/etc/a","kind":"file","sha256":"%s","size":7,"mode":384,"uid":0,"gid":0,"mtime":"1970-01-01T00:00:00Z","xattrs":[{"name":"user.a","value":"QQ=="}]}],"omitted":[{"path":"/etc/b","reason":{"why":"too-large","size":9,"limit":8},"mode":0,"uid":0,"gid":0,"mtime":"1970-01-01T00:00:00Z"}]}' \
  "$(printf content | sha256sum | cut -d' ' -f1)"; } | put archive manifest

# Journals.
sha=$(printf x | sha256sum | cut -d' ' -f1)
stamp='{"time":"2026-11-23T00:00:00Z","boot":"b","operator":{"uid":0,"sudo-user":"u","tty":"pts/0"}}'
file='{"kind":"file","sha256":"'$sha'","mode":384,"uid":0,"gid":0}'
printf '{"format":1,"id":"0123456789ab","started":"2026-11-23T00:00:00Z","command":"kuberescue certs renew all","archive":{"path":"/a.tar.gz","sha256":"%s"},"direction":"forward","pid":7,"boot":"b","changes":[{"path":"/etc/a","before":%s,"after":{"kind":"absent"},"stage":".a.kuberescue-0123456789ab"},{"path":{"base64":"L2V0Yy//"},"before":{"kind":"directory"},"after":{"kind":"link","target":"x"},"stage":".b.kuberescue-0123456789ab","before-attributes":{"mode":493,"uid":0,"gid":0,"mtime":"1970-01-01T00:00:00Z"}}]}' \
  "$sha" "$file" | put journal change
printf '{"format":1,"started":"2026-11-23T00:00:00Z","boot":"b","manifests":[{"path":"/etc/kubernetes/manifests/etcd.yaml","parked":".kuberescue-parked-etcd.yaml","fingerprint":%s}]}' \
  "$file" | put journal parked
printf '{"format":1,"number":1,"previous":null,"change":"0123456789ab","command":"c","direction":"forward","begun":%s,"archive":null,"changes":[{"path":"/etc/a","before":%s,"after":{"kind":"absent"}}]}\n' \
  "$stamp" "$file" | put journal history

# Answers.
index=0
while IFS= read -r id; do
  container=$(text 1 "$id" && text 2 "$id" && text 3 "$(text 1 etcd && number 2 3)" && number 6 1 && number 7 100 &&
    text 8 "$(text 1 io.kubernetes.container.name && text 2 etcd)" &&
    text 9 "$(text 1 io.kubernetes.pod.terminationGracePeriod && text 2 30)")
  text 1 "$container" | put cri_reply "container-$index"
  { text 1 "$container" && text 1 "$container"; } | put cri_reply "containers-$index"
  text 1 "$(text 1 "$id" && number 4 2 && text 10 message && text 15 /var/log/x)" | put cri_reply "status-$index"
  index=$((index + 1))
done < <(grep -o '"id": "[0-9a-f]*"' testdata/cri/containers.json | cut -d'"' -f4 | head -n 2)
{ text 2 containerd && text 3 1.6.20 && text 4 v1; } | put cri_reply version
printf '2026-11-23T22:55:28.5Z stderr F first\n2026-11-23T22:55:28.6Z stdout P second\n{"log":"a","stream":"x"}\n' |
  put cri_reply log
for body in testdata/api/*.body; do
  put api_reply "$(basename "$body")" <"$body"
done
printf '{"members":[{"ID":"1","name":"default","peerURLs":["http://localhost:2380"],"clientURLs":["http://127.0.0.1:2379"],"isLearner":true}]}' |
  put api_reply members
printf '{"health":"true","reason":""}' | put api_reply health
