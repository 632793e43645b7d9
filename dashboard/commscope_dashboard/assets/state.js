// The reader's selection: controls -> view -> URL and links. Nothing here asks a server.
const scheme = () => document.documentElement.dataset.mantineColorScheme || "light";
let drawn = { page: null, values: null };
window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.commscope = {
  gather(values, ids, view) {
    const query = new URLSearchParams(window.location.search);
    const next = Object.assign({}, Object.fromEntries(query), view || {});
    ids.forEach((id, place) => {
      if (values[place] === null || values[place] === undefined || values[place] === "") delete next[id.key];
      else next[id.key] = String(values[place]);
    });
    next.scheme = document.body.dataset.agThemeMode = scheme();
    // A page comes drawn for the values its controls come with: the server is asked when those change.
    const page = JSON.stringify(ids), now = JSON.stringify(values);
    const asks = page === drawn.page && now !== drawn.values;
    drawn = { page, values: now };
    return [next, asks ? next : window.dash_clientside.no_update];
  },
  share(view, navs) {
    const { scheme, ...selection } = view || {};
    const query = new URLSearchParams(selection).toString();
    const tail = query ? "?" + query : "";
    if (window.location.search !== tail) {
      window.history.replaceState(window.history.state, "", window.location.pathname + tail);
    }
    document.querySelectorAll(".nav").forEach((link) => {
      const here = new URL(link.href).pathname === window.location.pathname;
      if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    });
    return [query, navs.map((id) => id.key + tail)];
  },
};
document.addEventListener("click", (event) => {
  if (event.target.id !== "copy-link") return;
  const said = (word) => { event.target.textContent = word; setTimeout(() => { event.target.textContent = "copy link"; }, 1500); };
  if (!navigator.clipboard) { said("copy the address bar"); return; }
  navigator.clipboard.writeText(window.location.href).then(() => said("copied"), () => said("copy the address bar"));
});
// A click on a mark sets the chip of what it stands for, and gives it free where it was set already.
const CHIPS = ["rank", "phase", "collective", "instance"];
const setChip = (key, value) => window.dash_clientside.set_props({ type: "control", key }, { value });
const chosen = {
  rank: (mark, plot) => {
    const ranks = (plot.layout.meta || {}).ranks;
    return ranks && typeof mark === "number" ? String(ranks[mark]) : (String(mark).match(/\d+/) || [])[0];
  },
  phase: (mark) => String(mark).split(",")[0],
  collective: (mark) => (String(mark).split("<br>")[0].match(/[a-z]+(_[a-z]+)*/) || [])[0],
  instance: (mark) => Number((String(mark).match(/\d+/) || [])[0]),
};
window.dash_clientside.commscope.pick = (figures, strips, view) => {
  const triggered = window.dash_clientside.callback_context.triggered[0];
  const point = triggered && triggered.value && triggered.value.points && triggered.value.points[0];
  if (!point) return window.dash_clientside.no_update;
  const { key } = window.dash_clientside.callback_context.triggered_id;
  const card = [...document.querySelectorAll("figure[data-key]")].find((one) => one.dataset.key === key);
  const plot = card.querySelector(".js-plotly-plot"), picks = JSON.parse(card.dataset.clicks);
  const trace = plot.data[point.curveNumber];
  // Of an axis with two rows of names Dash leaves out the value: it stands in the trace.
  const at = (axis) => point[axis] !== undefined ? point[axis] : (trace[axis][0] || [])[point.pointNumber];
  const marks = { x: at("x"), y: at("y"), name: trace.name };
  const next = Object.entries(picks).map(([from, chip]) => [chip, chosen[chip](marks[from], plot)]);
  const known = next.filter(([, value]) => value !== undefined && !Number.isNaN(value));
  const again = known.every(([chip, value]) => String((view || {})[chip]) === String(value));
  known.forEach(([chip, value]) => setChip(chip, again ? (chip === "instance" ? "" : null) : value));
  return window.dash_clientside.no_update;
};
document.addEventListener("click", (event) => {
  if (event.target.id === "show-all") CHIPS.forEach((key) => setChip(key, key === "instance" ? "" : null));
});
// AG Grid is large and stands on one page: its script is fetched when that page opens.
const script = (address) => new Promise((resolve, reject) => {
  const tag = Object.assign(document.createElement("script"), { src: address, onload: () => resolve(true), onerror: reject });
  document.head.appendChild(tag);
});
let grid = null;
window.dash_clientside.commscope.grid = () => {
  const address = document.querySelector("meta[name=grid-script]").content;
  grid = grid || (window.dash_ag_grid || !address ? Promise.resolve(true) : script(address));
  return grid;
};
// Figures follow the page when the reader switches between light and dark; the server learns it by a cookie.
let shownScheme = scheme();
new MutationObserver(() => {
  if (shownScheme === scheme()) return;
  shownScheme = document.body.dataset.agThemeMode = scheme();
  document.cookie = `commscope-scheme=${shownScheme}; path=/; SameSite=Strict`;
  if (document.getElementById("scheme") && window.dash_clientside.set_props) {
    window.dash_clientside.set_props("scheme-now", { data: shownScheme });
  }
}).observe(document.documentElement, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
// The first screen stands as plain HTML until the app has drawn the same.
new MutationObserver((_, observer) => {
  if (!document.querySelector("main .page")) return;
  document.getElementById("preview")?.remove();
  observer.disconnect();
}).observe(document.documentElement, { childList: true, subtree: true });
