"""What is taught? Every line of the derivation computed twice, losses of other people's code read, gradients compared.

derivation                      the numbers behind the Learn page
reductions                      what a loss written with torch's reductions minimises
gradient_study gradient_table   how noisy and how biased an estimator is, one by one and side by side
toy_gradient                    a race of estimators where all is known
"""
