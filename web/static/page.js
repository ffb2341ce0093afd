// What pages do beyond links and forms. Everything here also works without.
import { enhanceAnswers } from "./answer.js";
import { enhanceForms } from "./forms.js";
import { enhanceKeys } from "./keys.js";
import { follow } from "./live.js";
import { enhancePicking } from "./pick.js";
import { fadeToasts } from "./swap.js";

enhanceForms();
enhanceAnswers();
enhancePicking();
enhanceKeys();
fadeToasts();
follow();
