// Values of the table of collectives in the units of commscope/units.py; sorting, filters and CSV keep the exact numbers.
const gridFunctions = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
const digits = (value) => value.toFixed(Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0);
function inUnits(value, units, base) {
  if (value === null || value === undefined) return "not captured";
  if (Math.abs(value) < base) return value.toFixed(0) + " " + units[0];
  let place = 0;
  for (; place < units.length - 1 && Math.abs(value) >= base - 0.5; place += 1) value /= base;
  return digits(value) + " " + units[place];
}
gridFunctions.time = (ns) => inUnits(ns, ["ns", "us", "ms", "s"], 1000);
gridFunctions.size = (bytes) => inUnits(bytes, ["B", "KiB", "MiB", "GiB", "TiB"], 1024);
