// Hand a file that was just made to the browser's downloads. The value: {stamp, file, words}
let stamp = null;
watch("value", () => {
  const value = props.value;
  if (!value || value.stamp === stamp) return;
  stamp = value.stamp;
  element.firstElementChild.textContent = value.words || "";
  if (!value.file) return;
  const link = document.createElement("a");
  link.href = value.file.url; link.download = value.file.orig_name || "";
  document.body.append(link); link.click(); link.remove();
});
