-- A step is recorded anew where the file that it made is gone, with the job that made it.

GRANT UPDATE ON job_steps TO backburner_hands;
