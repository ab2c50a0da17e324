#!/bin/sh
# How certificates of a kubeadm node are commonly renewed with a shell script: a new key and a new certificate are
# written over the old ones, one after the other, and kubeconfigs are edited in place. Here it is the control of the
# crash test: killed at any moment it has to leave mixed states, and the test has to see them.
set -eu
root=$1
pki=$root/etc/kubernetes/pki
work=$2

# The old subject and extensions, as openssl wants them for the new certificate.
request() {
    subject=$(openssl x509 -in "$1" -noout -subject -nameopt compat | sed 's/^subject=//; s/^ *//')
    names=$(openssl x509 -in "$1" -noout -ext subjectAltName 2>/dev/null | sed -n '2{s/^ *//; s/IP Address:/IP:/g; p}')
    usage=$(openssl x509 -in "$1" -noout -ext extendedKeyUsage | sed -n '2{s/^ *//; s/TLS Web Server Authentication/serverAuth/; s/TLS Web Client Authentication/clientAuth/; p}')
    {
        echo 'basicConstraints=critical,CA:FALSE'
        echo 'keyUsage=critical,digitalSignature,keyEncipherment'
        echo "extendedKeyUsage=$usage"
        echo 'authorityKeyIdentifier=keyid'
        [ -z "$names" ] || echo "subjectAltName=$names"
    } > "$work/extensions"
}

# AUTHORITY KEY CERTIFICATE: signs a request for the key into the certificate.
sign() {
    openssl req -new -key "$2" -subj "$subject" -out "$work/request"
    openssl x509 -req -in "$work/request" -CA "$pki/$1.crt" -CAkey "$pki/$1.key" -days 365 \
        -set_serial "0x$(openssl rand -hex 8)" -extfile "$work/extensions" -out "$3" 2>/dev/null
}

leaf() {
    request "$pki/$2.crt"
    openssl ecparam -name prime256v1 -genkey -noout -out "$pki/$2.key"
    sign "$1" "$pki/$2.key" "$pki/$2.crt"
}

leaf ca apiserver
leaf ca apiserver-kubelet-client
leaf front-proxy-ca front-proxy-client
leaf etcd/ca apiserver-etcd-client
leaf etcd/ca etcd/server
leaf etcd/ca etcd/peer
leaf etcd/ca etcd/healthcheck-client

for name in admin controller-manager scheduler super-admin; do
    file=$root/etc/kubernetes/$name.conf
    sed -n 's/.*client-certificate-data: //p' "$file" | base64 -d > "$work/old.crt"
    request "$work/old.crt"
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/key"
    sign ca "$work/key" "$work/crt"
    sed -i "s|client-certificate-data: .*|client-certificate-data: $(base64 -w0 < "$work/crt")|" "$file"
    sed -i "s|client-key-data: .*|client-key-data: $(base64 -w0 < "$work/key")|" "$file"
done
