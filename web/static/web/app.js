/* Links that carry a view change the URL without a reload; menus close as one expects. No other state lives here. */
"use strict";

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-view]");
  const menu = event.target.closest("details.menu");
  if (link && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey) {
    event.preventDefault();
    const address = link.getAttribute("href");
    history.pushState(null, "", address === "?" ? location.pathname : address);
    comeBack(link.dataset.view, menu);
    window.dispatchEvent(new PopStateEvent("popstate")); // what Dash listens to
  }
  closeMenus(menu);
});

/* The month that was chosen stays chosen wherever the menu leads. */
window.addEventListener("popstate", () => {
  const month = new URLSearchParams(location.search).get("month");
  for (const link of document.querySelectorAll(".side a[data-month]")) {
    link.setAttribute("href", link.pathname + (month ? `?month=${month}` : ""));
  }
});

/* What was sent once is not sent twice; a trial of a source may take a while. */
document.addEventListener("submit", (event) => event.target.setAttribute("aria-busy", "true"));
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[aria-busy]")) form.removeAttribute("aria-busy");
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = event.target.closest("details[open]") || document.querySelector("details[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});

/* What scrolls is reached by keyboard, and only that: a table that fits is no stop. */
const boxes = new ResizeObserver((entries) => entries.forEach((entry) => scrollsOrNot(entry.target)));
function scrollsOrNot(box) {
  const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
  if (!scrolls) return ["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
  const title = box.closest("section")?.querySelector("h2, h3");
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", `${title ? title.textContent.trim() : "Table"}, scrolls`);
}
function watchBoxes() {
  for (const box of document.querySelectorAll(".scroll:not([data-watched])")) {
    box.dataset.watched = "";
    boxes.observe(box);
  }
}
document.addEventListener("DOMContentLoaded", watchBoxes);
new MutationObserver(watchBoxes).observe(document.documentElement, { childList: true, subtree: true });

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}

/* Dash draws the page anew: give the reader their place back. A menu of several choices stays open, others close. */
function comeBack(name, menu) {
  const page = document.getElementById("page");
  const old = page.firstElementChild;
  page.setAttribute("aria-busy", "true");
  const seen = new MutationObserver(() => {
    if (old && old.isConnected) return;
    seen.disconnect();
    page.setAttribute("aria-busy", "false");
    const link = name && document.querySelector(`[data-view="${CSS.escape(name)}"]`);
    if (!link) return;
    const place = link.closest("details.menu");
    if (place && menu && "several" in menu.dataset) place.open = true;
    (place && !place.open ? place.querySelector("summary") : link).focus({ preventScroll: true });
  });
  seen.observe(page, { childList: true, subtree: true });
}
