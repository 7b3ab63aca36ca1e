
(() => {
  const steps = document.querySelector(".steps");
  if (steps) {
    const button = document.createElement("button");
    button.type = "button";
    const all = () => steps.querySelectorAll("details");
    const label = () => { button.textContent = [...all()].every((d) => d.open) ? "Close all steps" : "Open all steps"; };
    button.addEventListener("click", () => {
      const open = ![...all()].every((d) => d.open);
      all().forEach((d) => { d.open = open; });
      label();
    });
    label();
    steps.before(button);
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
})();
