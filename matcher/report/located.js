"use strict";
// Which chips are shown, and in what order.
(() => {
const $ = (id) => document.getElementById(id);
const cards = [...document.querySelectorAll(".card")];
const shows = {
  all: () => true,
  found: (level) => level !== "none",
  doubt: (level) => level === "fair" || level === "poor",
  none: (level) => level === "none",
};
function select() {
  const shown = shows[$("which").value];
  const ordered = [...cards];
  if ($("sort").value === "sure") ordered.sort((a, b) => a.dataset.sure - b.dataset.sure);
  for (const card of cards) card.hidden = !shown(card.dataset.level);
  $("cards").append(...ordered);
  $("count").textContent = `${cards.filter((card) => !card.hidden).length} of ${cards.length} shown`;
}
// A chip that the map leads to is shown, whatever was chosen before.
function led() {
  const card = location.hash.startsWith("#chip-") && $(location.hash.slice(1));
  if (!card) return;
  if (card.hidden) { $("which").value = "all"; select(); }
  card.scrollIntoView();
  card.focus();
}
for (const id of ["which", "sort"]) $(id).addEventListener("change", select);
$("bar").addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", led);
select();
led();
document.documentElement.dataset.ready = String(cards.length);
})();
