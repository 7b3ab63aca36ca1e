// Everything works without this file but the keys and the drafts.
(() => {
  "use strict";
  const form = document.getElementById("form");
  const help = document.getElementById("keys");
  document.getElementById("help").addEventListener("click", () => help.showModal());

  // What was chosen and not saved is kept for this tab, so that looking at the next item loses nothing.
  const place = form && `draft ${form.dataset.item}`;
  const draft = document.getElementById("draft");
  const state = () => JSON.stringify([...new FormData(form)].filter(([name]) => name !== "token"));
  const saved = form && state();
  const changed = () => {
    const now = state();
    draft.textContent = "Not saved yet.";
    draft.hidden = now === saved;
    if (now === saved) sessionStorage.removeItem(place);
    else sessionStorage.setItem(place, now);
  };
  if (form) {
    const kept = JSON.parse(sessionStorage.getItem(place) || "null");
    if (kept) {
      for (const input of form.querySelectorAll("input[type=radio]")) {
        input.checked = kept.some(([name, value]) => name === input.name && value === input.value);
      }
      form.elements.note.value = (kept.find(([name]) => name === "note") || ["", ""])[1];
      changed();
    }
    form.addEventListener("input", changed);
    form.addEventListener("submit", (event) => {
      const said = [...new FormData(form)].some(([name, value]) => name !== "token" && value.trim());
      if (said) return sessionStorage.removeItem(place);
      event.preventDefault();
      draft.textContent = "Choose a label first, or write a note.";
      draft.hidden = false;
      return undefined;
    });
  }

  const cycle = (group) => {
    const inputs = [...group.querySelectorAll("input")];
    const at = inputs.findIndex((input) => input.checked);
    inputs[(at + 1) % inputs.length].checked = true;
    changed();
  };

  addEventListener("keydown", (event) => {
    const typing = event.target.matches("textarea, input[type=text]");
    if (typing && event.key === "Escape") event.target.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const key = event.key;
    if (key === "Enter" && event.target.matches("a, button, summary, input")) return;
    const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    const group = document.querySelector(`[data-cycle="${CSS.escape(key)}"]`);
    if (key === "?") help.showModal();
    else if (target && target.matches("input")) { target.checked = !target.checked; changed(); }
    else if (target) target.click();
    else if (group) cycle(group);
    else if (key === "m" && form) form.elements.note.focus();
    else if (key === "s" && form) form.requestSubmit();
    else if (key === "o" && document.getElementById("look")) document.getElementById("look").requestSubmit();
    else return;
    event.preventDefault();
  });
})();
