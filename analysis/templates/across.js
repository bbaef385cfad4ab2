(() => {
  const box = document.getElementById("choose");
  if (!box) return;
  const [first, second] = box.querySelectorAll("select");
  const said = document.getElementById("chosen");
  const pages = new Set(JSON.parse(document.getElementById("pages").textContent));
  const show = () => {
    said.textContent = "";
    if (first.value === second.value) { said.textContent = "Choose two different runs."; return; }
    const page = `compare-${first.value}-${second.value}.html`;
    if (pages.has(page)) {
      const link = document.createElement("a");
      link.href = encodeURIComponent(page);
      link.textContent = "What changed from the first to the second";
      said.append(link);
      return;
    }
    const code = document.createElement("code");
    code.textContent = `bench compare ${first.value} ${second.value} --html`;
    said.append("This writes the page: ", code);
  };
  box.addEventListener("change", show);
  box.hidden = false;
  show();
})();
