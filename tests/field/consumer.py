#!/usr/bin/env python3
"""Judge a node tree by what its consumers would see: flags of the manifests, kubeconfigs as kubectl reads them, the kubelet's files.
   consumer.py TREE TIME  -> faults (one a line), exit 1 if any.  Only openssl, yaml and kubectl ($KUBECTL) decide."""
import os,sys,re,json,yaml,subprocess,base64,datetime as D,glob
from cryptography import x509
from cryptography.hazmat.primitives import serialization as S
T=os.path.abspath(sys.argv[1]); KUBECTL=os.environ.get('KUBECTL'); now=D.datetime.fromisoformat(sys.argv[2].replace('Z','+00:00')); F=[]; NOTE=[]
def resolve(p,depth=0):
    """path inside the tree with links resolved as in a chroot -> host path"""
    cur='/'; parts=[x for x in p.split('/') if x]
    while parts:
        x=parts.pop(0)
        if x=='..': cur=os.path.dirname(cur); continue
        if x=='.': continue
        q=os.path.join(cur,x); h=T+q
        if os.path.islink(h):
            depth+=1
            if depth>40: return None
            l=os.readlink(h)
            if l.startswith('/'): cur='/'
            parts=[y for y in l.split('/') if y]+parts
        else: cur=q
    return T+cur
def rd(p):
    h=resolve(p)
    try: return open(h,'rb').read()
    except OSError: return None
def run(*a,inp=None):
    r=subprocess.run(a,input=inp,capture_output=True); return r.returncode,r.stdout.decode(errors='replace'),r.stderr.decode(errors='replace')
def blocks(b,kind=rb'CERTIFICATE'):
    return [m.group(0).replace(b'\r\n',b'\n')+b'\n' for m in re.finditer(rb'-----BEGIN '+kind+rb'-----.*?-----END '+kind+rb'-----',b or b'',re.S)]
def keyof(b):
    m=re.search(rb'-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----.*?-----END \1-----',b or b'',re.S); return m.group(0)+b'\n' if m else None
def end(c):
    try: return x509.load_pem_x509_certificate(c).not_valid_after_utc
    except Exception:
        s=run('openssl','x509','-noout','-enddate',inp=c)[1].strip().split('=',1)[1]; return D.datetime.strptime(s,'%b %d %H:%M:%S %Y GMT').replace(tzinfo=D.timezone.utc)
SPKI=lambda k: k.public_bytes(S.Encoding.DER,S.PublicFormat.SubjectPublicKeyInfo)
def pair(name,cb,kb):
    cs=blocks(cb); k=keyof(kb)
    if not cs: F.append(f'{name}: no certificate'); return None
    if not k: F.append(f'{name}: no key'); return cs
    try:
        if SPKI(S.load_pem_private_key(k,None).public_key())!=SPKI(x509.load_pem_x509_certificate(cs[0]).public_key()): F.append(f'{name}: key does not match')
    except Exception as e: F.append(f'{name}: key or certificate unreadable: {e}')
    e=end(cs[0])
    if e<now: F.append(f'{name}: expired {e:%Y-%m-%d}')
    elif e<now+D.timedelta(days=300): NOTE.append(f'{name}: ends {e:%Y-%m-%d}')
    return cs
def verify(name,cs,cab,purpose,trust):
    if not cs: return
    import tempfile
    if not blocks(cab): F.append(f'{name}: trust anchor {trust} is empty or missing'); return
    with tempfile.TemporaryDirectory() as d:
        open(d+'/c','wb').write(cs[0]); open(d+'/ca','wb').write(b''.join(blocks(cab))); open(d+'/u','wb').write(b''.join(cs[1:]))
        a=['openssl','verify','-attime',str(int(now.timestamp())),'-partial_chain','-no-CApath','-no-CAstore','-purpose',purpose,'-CAfile',d+'/ca']+(['-untrusted',d+'/u'] if cs[1:] else [])+[d+'/c']
        rc,o,e=run(*a)
        if rc: F.append(f'{name}: not accepted by {trust} ({purpose}): '+' '.join((o+e).replace(d,'').split())[:160])
def has_host(c,h):
    import ipaddress
    try: s=x509.load_pem_x509_certificate(c).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception: return False
    try: return ipaddress.ip_address(h) in s.get_values_for_type(x509.IPAddress)
    except ValueError: return any(h.lower()==d.lower() or (d.startswith('*.') and h.split('.',1)[-1].lower()==d[2:].lower()) for d in s.get_values_for_type(x509.DNSName))
def flags(c):
    w=(c.get('command') or [])+(c.get('args') or []); f={}; i=0
    if len(w)>2 and w[0].endswith('sh') and '-c' in w[:3]: w=' '.join(w).split()
    while i<len(w):
        x=str(w[i])
        if x.startswith('-'):
            x=x.lstrip('-')
            if '=' in x: n,v=x.split('=',1); f[n]=v.strip('"\'')
            elif i+1<len(w) and not str(w[i+1]).startswith('-'): f[x]=str(w[i+1]); i+=1
            else: f[x]='true'
        i+=1
    return f
kdir='/etc/kubernetes/manifests'
pods={}
for h in sorted(glob.glob(resolve(kdir)+'/*')):
    if os.path.basename(h).startswith('.') or not os.path.isfile(h): continue
    # The kubelet reads the first document.
    try: d=next(yaml.safe_load_all(open(h,encoding='utf-8-sig')))
    except Exception as e: F.append(f'manifest {os.path.basename(h)}: {e}'); continue
    if not isinstance(d,dict) or d.get('kind')!='Pod': continue
    n=d['metadata']['name']; cs=d['spec']['containers']; c=next((x for x in cs if x.get('name')==n),cs[0])
    m=[]
    vol={v['name']:v.get('hostPath',{}).get('path') for v in d['spec'].get('volumes',[])}
    for vm in c.get('volumeMounts',[]):
        if vol.get(vm['name']): m.append((vm['mountPath'].rstrip('/'),vol[vm['name']].rstrip('/')))
    sc=dict(d['spec'].get('securityContext') or {}); sc.update(c.get('securityContext') or {})
    pods[n]=(flags(c),m,{e['name']:e.get('value') for e in c.get('env',[]) or []},sc)
def inpod(n,p):
    best=None
    for a,b in pods[n][1]:
        if (p==a or p.startswith(a+'/')) and (best is None or len(a)>len(best[0])): best=(a,b)
    return p if best is None else best[1]+p[len(best[0]):]
def fl(n,k): return pods[n][0].get(k) if n in pods else None
def pf(n,k):
    v=fl(n,k); return (rd(inpod(n,v)),v) if v else (None,None)
def access(n,*ks):
    sc=pods[n][3]; uid=sc.get('runAsUser')
    if uid in (None,0): return
    gids={sc.get('runAsGroup',0),sc.get('fsGroup')}|set(sc.get('supplementalGroups') or [])
    for k in ks:
        v=fl(n,k)
        if not v: continue
        h=resolve(inpod(n,v))
        if not os.path.exists(h): continue
        s=os.stat(h)
        ok=(s.st_uid==uid and s.st_mode&0o400) or (s.st_gid in gids and s.st_mode&0o040) or s.st_mode&0o004
        if not ok: F.append(f'{n}: runs as uid {uid} gids {sorted(x for x in gids if x is not None)} and cannot read {v} ({oct(s.st_mode&0o777)} {s.st_uid}:{s.st_gid})')
confs={}
for f in ('admin.conf','super-admin.conf','controller-manager.conf','scheduler.conf','kubelet.conf'):
    p='/etc/kubernetes/'+f; h=resolve(p)
    if not h or not os.path.exists(h): continue
    if KUBECTL:
        rc,o,e=run('env','-u','KUBECONFIG',KUBECTL,'config','view','--raw','--minify','-o','json','--kubeconfig',h)
        if rc: F.append(f'{f}: kubectl refuses it: {e.strip()[:160]}'); continue
        j=json.loads(o)
    else:
        try:
            y=yaml.safe_load(open(h,encoding='utf-8-sig')); cx=[c['context'] for c in y['contexts'] if c['name']==y['current-context']][0]
            j={'clusters':[c for c in y['clusters'] if c['name']==cx['cluster']],'users':[c for c in y['users'] if c['name']==cx['user']]}
        except Exception as e: F.append(f'{f}: not read: {e}'); continue
    try: cl=j['clusters'][0]['cluster']; us=(j.get('users') or [{}])[0].get('user') or {}
    except Exception: F.append(f'{f}: current context leads nowhere'); continue
    def data(kd,kp,src):
        if src.get(kd): return base64.b64decode(src[kd])
        q=src.get(kp)
        if q:
            if not q.startswith('/'): q='/etc/kubernetes/'+q
            if q.startswith(T): q=q[len(T):]   # kubectl makes relative paths absolute on the host
            return rd(q)
    confs[f]=dict(server=cl.get('server'),ca=data('certificate-authority-data','certificate-authority',cl),c=data('client-certificate-data','client-certificate',us),k=data('client-key-data','client-key',us),user=us,insecure=cl.get('insecure-skip-tls-verify'))
for f,x in confs.items():
    if x['c'] is None and x['k'] is None:
        if any(x['user'].get(z) for z in ('token','exec','tokenFile','username')): NOTE.append(f'{f}: {list(x["user"])}'); continue
    x['cs']=pair(f,x['c'],x['k'])
if 'kube-apiserver' in pods:
    access('kube-apiserver','tls-private-key-file','tls-cert-file','kubelet-client-key','proxy-client-key-file','etcd-keyfile','service-account-signing-key-file')
    s=pair('apiserver serving',pf('kube-apiserver','tls-cert-file')[0],pf('kube-apiserver','tls-private-key-file')[0])
    for f,x in confs.items():
        if x['insecure']: continue
        verify(f'apiserver serving, seen from {f}',s,x['ca'],'sslserver',f+' CA')
        h=re.sub(r'^https?://','',x['server'] or ''); h=h[1:].split(']')[0] if h.startswith('[') else h.split(':')[0].split('/')[0]
        if s and h and not has_host(s[0],h): F.append(f'apiserver serving: not valid for {h}, the server in {f}')
    ca,cap=pf('kube-apiserver','client-ca-file')
    for f,x in confs.items():
        if x.get('cs'): verify(f'{f} client',x['cs'],ca,'sslclient',f'apiserver client-ca {cap}')
    kc=pair('kubelet-client (of apiserver)',pf('kube-apiserver','kubelet-client-certificate')[0],pf('kube-apiserver','kubelet-client-key')[0])
    kcfg=None
    for q in ('/var/lib/kubelet/config.yaml','/etc/kubernetes/kubelet-config.yaml'):
        b=rd(q)
        if b: kcfg=yaml.safe_load(b); break
    kca=((kcfg or {}).get('authentication',{}).get('x509') or {}).get('clientCAFile')
    verify('apiserver-kubelet-client',kc,rd(kca) if kca else None,'sslclient',f'kubelet clientCAFile {kca}')
    if fl('kube-apiserver','proxy-client-cert-file'):
        pc=pair('front-proxy-client',pf('kube-apiserver','proxy-client-cert-file')[0],pf('kube-apiserver','proxy-client-key-file')[0])
        b,v=pf('kube-apiserver','requestheader-client-ca-file'); verify('front-proxy-client',pc,b,'sslclient',f'requestheader CA {v}')
    if (fl('kube-apiserver','etcd-servers') or '').startswith('https'):
        e=pair('apiserver-etcd-client',pf('kube-apiserver','etcd-certfile')[0],pf('kube-apiserver','etcd-keyfile')[0])
        eca,ecap=pf('kube-apiserver','etcd-cafile')
        if 'etcd' in pods:
            def ef(k):
                r=pf('etcd',k)
                if r[1]: return r
                v=pods['etcd'][2].get('ETCD_'+k.upper().replace('-','_')); return (rd(inpod('etcd',v)),v) if v else (None,None)
            access('etcd','key-file','cert-file','peer-key-file','peer-cert-file','trusted-ca-file')
            tca,tv=ef('trusted-ca-file'); verify('apiserver-etcd-client',e,tca,'sslclient',f'etcd trusted-ca {tv}')
            es=pair('etcd server',ef('cert-file')[0],ef('key-file')[0]); verify('etcd server',es,eca,'sslserver',f'apiserver etcd-cafile {ecap}')
            ep=pair('etcd peer',ef('peer-cert-file')[0],ef('peer-key-file')[0]); pca,pv=ef('peer-trusted-ca-file')
            for pu in ('sslserver','sslclient'): verify('etcd peer',ep,pca,pu,f'peer-trusted-ca {pv}')
            for u in (fl('kube-apiserver','etcd-servers') or '').split(','):
                h=re.sub(r'^https?://','',u); h=h[1:].split(']')[0] if h.startswith('[') else h.split(':')[0]
                if es and not has_host(es[0],h): F.append(f'etcd server: not valid for {h} (--etcd-servers)')
            for u in (fl('etcd','listen-peer-urls') or '').split(','):
                h=re.sub(r'^https?://','',u); h=h[1:].split(']')[0] if h.startswith('[') else h.split(':')[0]
                if h and ep and not has_host(ep[0],h): F.append(f'etcd peer: not valid for {h} (--listen-peer-urls)')
x=confs.get('kubelet.conf')
if x and x.get('cs'):
    s=x509.load_pem_x509_certificate(x['cs'][0]).subject.rfc4514_string()
    if 'O=system:nodes' not in s or 'CN=system:node:' not in s: F.append(f'kubelet.conf: identity is {s}')
print('\n'.join('FAULT '+f for f in F)+('\n' if F else '')+'\n'.join('note  '+n for n in NOTE)); print(f'consumer: {len(F)} faults'); sys.exit(bool(F))
