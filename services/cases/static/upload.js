// Shows how far a file has got. Without this module the form sends itself, only silently.

for (const form of document.querySelectorAll("form[data-upload]")) {
  const bar = form.querySelector("progress");
  const button = form.querySelector("button[type=submit]");
  const inputs = [...form.querySelectorAll("input[type=file]")];
  // One file at a time: choosing in one place takes back the choice in the other.
  for (const input of inputs) {
    input.addEventListener("change", () => {
      for (const other of inputs) if (other !== input && input.files.length) other.value = "";
    });
  }
  form.addEventListener("submit", (event) => {
    if (!inputs.some((input) => input.files.length)) return;
    event.preventDefault();
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "text/html");
    request.upload.addEventListener("progress", (step) => {
      if (step.lengthComputable) bar.value = (100 * step.loaded) / step.total;
    });
    const start = () => { bar.hidden = false; bar.value = 0; button.disabled = true; };
    const stop = () => { bar.hidden = true; button.disabled = false; };
    request.addEventListener("load", () => {
      if (request.status === 200) {
        location.assign(request.responseURL);
        return;
      }
      // A refusal is a whole page: it says what is wrong beside the field.
      document.open();
      document.write(request.responseText);
      document.close();
    });
    // The line broke: the plain way shows the browser's own words for it.
    request.addEventListener("error", () => { stop(); form.submit(); });
    start();
    request.send(new FormData(form));
  });
}
