
// A run in progress: the page asks for itself again when the run has moved, and keeps what the reader set.
(() => {
  const { $, make } = worktrial;
  const root = document.body.dataset.live;
  const said = make("p", "", "live");
  said.setAttribute("role", "status");
  $(".top").after(said);
  const say = (text, kind) => { said.textContent = text; said.dataset.is = kind; };
  let last = null;
  const refresh = async () => {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const old = $("#main"), fresh = $("#main", page);
    if (!fresh || fresh.innerHTML === last) return;
    last = fresh.innerHTML;
    // What the reader does just now goes on: an open search, an open step, the place on the page.
    const focus = document.activeElement?.id, typed = document.activeElement?.selectionStart;
    const open = [...old.querySelectorAll("details[open]")].map((one) => one.id || one.parentElement.id).filter(Boolean);
    const at = scrollY;
    const held = [...old.querySelectorAll(".filters [id]")].map((one) => [one.id, one.value, one.checked]);
    old.replaceWith(document.adoptNode(fresh));
    document.title = page.title;
    held.forEach(([id, value, checked]) => {
      const one = document.getElementById(id);
      if (one && "value" in one && one.tagName !== "OUTPUT") { one.value = value; one.checked = checked; }
    });
    open.forEach((id) => { const one = document.getElementById(id); const found = one?.matches("details") ? one : one?.querySelector("details"); if (found) found.open = true; });
    worktrial.tasks?.();
    worktrial.steps?.();
    scrollTo({ top: at, behavior: "instant" });
    if (focus) { const one = document.getElementById(focus); one?.focus({ preventScroll: true }); if (typed != null) one?.setSelectionRange?.(typed, typed); }
  };
  const events = new EventSource(`${root}events`);
  events.addEventListener("run", (event) => {
    const { done, asked, going } = JSON.parse(event.data);
    say(going ? `Live: ${done} of ${asked} trials finished` : `The run is over: ${done} of ${asked} trials finished`, going ? "going" : "over");
    refresh();
  });
  events.addEventListener("error", () => say("The viewer does not answer; this page is as of its last answer.", "gone"));
})();
