// The recorded file of the chosen rank, downloaded or opened in Perfetto: a click opens its tab, PING until PONG, then the
// file is posted to that tab.
const PERFETTO = "https://ui.perfetto.dev";
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-file]");
  if (!button) return;
  const file = document.getElementById("rank-file").selectedOptions[0].dataset;
  if (button.dataset.file === "download") { window.location.assign(file.url); return; }
  const tab = window.open(PERFETTO);
  const word = button.textContent;
  if (!tab) { button.textContent = "the browser blocked the new tab"; return; }
  button.textContent = "sending…";
  try {
    const answer = await fetch(file.url);
    if (!answer.ok) throw new Error("the recorded file is gone");
    const buffer = await answer.arrayBuffer();
    await ready(tab);
    const start = Number(file.startNs), end = Number(file.endNs);
    const message = { buffer, title: file.title, keepApiOpen: true };
    tab.postMessage({ perfetto: message }, PERFETTO);
    if (end > start) tab.postMessage({ perfetto: { timeStart: start / 1e9, timeEnd: end / 1e9 } }, PERFETTO);
    button.textContent = word;
  } catch (error) {
    button.textContent = String(error.message || error);
  }
});
function ready(tab) {
  return new Promise((resolve, reject) => {
    let tries = 0;
    const timer = setInterval(() => {
      tries += 1;
      if (tries > 200) { stop(); reject(new Error("Perfetto did not answer; use the download")); return; }
      tab.postMessage("PING", PERFETTO);
    }, 100);
    const heard = (event) => { if (event.source === tab && event.data === "PONG") { stop(); resolve(); } };
    const stop = () => { clearInterval(timer); window.removeEventListener("message", heard); };
    window.addEventListener("message", heard);
  });
}
