// Formulas as they were read. Model text is untrusted: no links, no markup, bounded macros and sizes.

import { el } from "./dom.js";

const LONGEST_CHARACTERS = 2000;
const OPTIONS = { trust: false, maxExpand: 200, maxSize: 8, throwOnError: true, strict: "ignore", displayMode: true };

// An element with the formula, or with its text where it is no formula that can be drawn.
export function formula(text) {
  const place = el("div", { class: "formula" });
  try {
    if (text.length > LONGEST_CHARACTERS) throw new RangeError("too long to be drawn");
    window.katex.render(asLatex(text), place, OPTIONS);
  } catch {
    place.replaceChildren(el("code", { class: "mono" }, text));
    place.classList.add("undrawn");
  }
  return place;
}

// Exact values are written plainly (`{1/2, 1}`); everything else is LaTeX already.
function asLatex(text) {
  const inner = text.trim().replace(/^\$+|\$+$/g, "");
  if (!/^[\d\s.,/{}()[\]+*-]+$/.test(inner)) return inner;
  return inner.replace(/[{}]/g, "\\$&").replace(/(\d+)\/(\d+)/g, "\\frac{$1}{$2}").replaceAll("*", "\\cdot ");
}
