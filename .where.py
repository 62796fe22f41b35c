import sys, re, collections
sys.path.insert(0,'.')
import instructions, tempfile, subprocess, os
from pathlib import Path
def parse(path):
    ob={};fn={};fl={}
    self_=collections.Counter(); byob=collections.Counter()
    def name(tab,s):
        m=re.match(r'\((\d+)\)(?: (.*))?',s)
        if m[2]: tab[m[1]]=m[2]
        return tab.get(m[1],m[1])
    cob=cfn=None; skip=False
    for line in open(path):
        line=line.rstrip('\n')
        if line.startswith('ob='): cob=name(ob,line[3:])
        elif line.startswith('fn='): cfn=name(fn,line[3:])
        elif line.startswith('cob='): name(ob,line[4:])
        elif line.startswith('cfn='): name(fn,line[4:])
        elif line.startswith('calls='): skip=True
        elif re.match(r'^[\d+*-]',line):
            if skip: skip=False; continue
            p=line.split()
            n=int(p[-1]); self_[(cob.split('/')[-1],cfn)]+=n; byob[cob.split('/')[-1]]+=n
    return self_,byob
with tempfile.TemporaryDirectory() as d:
    instructions._run(sys.argv[1],d,only=sys.argv[2])
    s,b=parse(Path(d,'out.1'))
    t=float(sys.argv[3])
    for k,v in b.most_common(12): print(f'{v/t:9.1f} {k}')
    print()
    for k,v in s.most_common(70): print(f'{v/t:9.1f} {k[0][:18]:18} {k[1]}')
