"""The style and the script that every HTML report carries in itself."""

from __future__ import annotations

PAGE_STYLE = """
:root{color-scheme:light;--paper:#fff;--ink:#1f2937;--soft:#5b6472;--line:#d9dee6;--good:#e6f6f0;--bad:#fdecec}
:root[data-scheme=dark]{color-scheme:dark;--paper:#16191f;--ink:#dfe3ea;--soft:#9aa4b2;--line:#343b46;
--good:#12352b;--bad:#43201f}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',
'DejaVu Sans',sans-serif}
header{display:flex;justify-content:space-between;align-items:center;padding:.6rem 1.2rem;
border-bottom:1px solid var(--line)}
main{max-width:1240px;margin:0 auto;padding:.5rem 1.2rem 3rem}
h1{font-size:1.5rem;margin:.6rem 0}h1 small{color:var(--soft);font-weight:400}
.banner{padding:.5rem .8rem;border:1px solid var(--line);border-radius:6px}
.banner.good{background:var(--good)}.banner.bad{background:var(--bad)}
.verdict{font-size:1.2rem}
table{border-collapse:collapse;font-size:.87rem;font-variant-numeric:tabular-nums}
th,td{padding:.22rem .7rem;border-bottom:1px solid var(--line);text-align:right}
th:first-child,td:first-child{text-align:left}tbody th{font-weight:400}
td.better,td.worse{font-weight:600}
figure{margin:1.6rem 0;padding:.8rem;border:1px solid var(--line);border-radius:6px;overflow-x:auto}
figcaption{margin:.2rem .4rem}summary{cursor:pointer;color:var(--soft);margin:.3rem .4rem}
button{font:inherit;color:inherit;background:none;border:1px solid var(--line);border-radius:6px;
padding:.2rem .7rem;cursor:pointer}
@media (min-width:1180px){.metrics{min-width:60%}}
@media print{header button{display:none}}
"""

PAGE_SCRIPT = """
const root=document.documentElement,plots=[];
function scheme(){return root.dataset.scheme||'light'}
function store(value){try{localStorage.setItem('commscope-scheme',value)}catch(_){}}
function stored(){try{return localStorage.getItem('commscope-scheme')}catch(_){return null}}
root.dataset.scheme=stored()||(matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light');
function draw(figure){
  const box=figure.querySelector('.plot'),spec=JSON.parse(figure.querySelector('script').textContent);
  const layout=Object.assign({},spec.layout,{template:TEMPLATES[scheme()]});
  Plotly.react(box,spec.data,layout,{responsive:true,displaylogo:false,
    toImageButtonOptions:{format:'svg',filename:figure.id}});
}
document.querySelectorAll('figure').forEach(figure=>{plots.push(figure);draw(figure)});
document.getElementById('scheme').addEventListener('click',()=>{
  root.dataset.scheme=scheme()==='dark'?'light':'dark';store(scheme());plots.forEach(draw)});
"""
